#include "ops/attention/attention.h"

#include <cmath>

#include "ops/attention/attention_mask.h"
#include "ops/elementwise.h"

namespace halftone {
namespace {

enum Input : size_t { kQ, kK, kV, kMask, kPastKey, kPastValue, kValidKeys };
enum Output : size_t { kY, kPresentKey, kPresentValue, kScores };

struct Extents {
  HeadsExtent q, k, v;
  int64_t past;
};

Extents extents_of(const OpSite& site) {
  Extents e{heads_extent(site, kQ, "q_num_heads"), heads_extent(site, kK, "kv_num_heads"),
            heads_extent(site, kV, "kv_num_heads"), 0};
  if (site.has_input(kPastKey) && site.input_shape(kPastKey).rank() == 4)
    e.past = site.input_shape(kPastKey)[2];
  return e;
}

/// The past's length and the new one's together; unknown when either is symbolic (unless there is no past).
int64_t total_length(const Extents& e) {
  if (e.past == 0) return e.k.length;
  return e.past < 0 || e.k.length < 0 ? Shape::kUnknownDim : e.past + e.k.length;
}

void check_past(const OpSite& site, size_t input, const HeadsExtent& fresh, int64_t past) {
  const Shape expected{fresh.batch, fresh.heads, past, fresh.dim};
  const ValueType& type = site.inputs[input].type;
  require(site, shapes_agree(type.shape, expected) && type.dtype == site.inputs[kQ].type.dtype,
          "{}: expected {} {}, found {} {}", site.schema->inputs[input].name,
          dtype_name(site.inputs[kQ].type.dtype), expected.str(), dtype_name(type.dtype), type.shape.str());
}

void check_mask(const OpSite& site, const Extents& e) {
  const ValueType& mask = site.inputs[kMask].type;
  require(site, mask.dtype == DType::boolean || is_float(mask.dtype),
          "attn_mask: expected bool or floating, found {}", dtype_name(mask.dtype));
  require(site, mask.shape.rank() >= 1 && mask.shape.rank() <= 4, "attn_mask: found {}", mask.shape.str());
  const int64_t total = total_length(e);
  require(site, total < 0 || mask.shape.back() <= total, "attn_mask: {} keys of {}", mask.shape.back(),
          total);
  Shape leading = mask.shape;
  leading[leading.rank() - 1] = 1;
  const Shape scores{e.q.batch, e.q.heads, e.q.length, 1};
  require(site, broadcasts_to(leading, scores), "attn_mask: {} does not broadcast to {}", mask.shape.str(),
          scores.str());
}

void check_valid_keys(const OpSite& site, const Extents& e) {
  const ValueType& type = site.inputs[kValidKeys].type;
  require(site, type.dtype == DType::i64 && shapes_agree(type.shape, Shape{e.q.batch}),
          "nonpad_kv_seqlen: expected i64 [{}], found {} {}", e.q.batch, dtype_name(type.dtype),
          type.shape.str());
  require(site, !site.has_input(kPastKey), "nonpad_kv_seqlen and a past do not go together");
}

std::vector<ValueType> infer(const OpSite& site) {
  const DType type = site.inputs[kQ].type.dtype;
  for (size_t i : {kQ, kK, kV})
    require(site, is_float(type) && site.inputs[i].type.dtype == type,
            "{}: expected the floating type of Q, found {}", site.schema->inputs[i].name,
            dtype_name(site.inputs[i].type.dtype));
  const Extents e = extents_of(site);
  const int rank = site.input_shape(kQ).rank();
  require(site, site.input_shape(kK).rank() == rank && site.input_shape(kV).rank() == rank,
          "Q, K and V have different ranks");
  require(site, site.attributes->get_int("window", 0) >= 0, "attribute window: found {}",
          site.attributes->get_int("window", 0));
  require(site,
          sizes_may_agree(e.q.batch, e.k.batch) && sizes_may_agree(e.k.batch, e.v.batch) &&
              sizes_may_agree(e.k.heads, e.v.heads) && sizes_may_agree(e.k.length, e.v.length) &&
              sizes_may_agree(e.q.dim, e.k.dim),
          "Q {}, K {} and V {} do not fit together", site.input_shape(kQ).str(), site.input_shape(kK).str(),
          site.input_shape(kV).str());
  require(site, e.q.heads < 0 || e.k.heads < 0 || (e.k.heads > 0 && e.q.heads % e.k.heads == 0),
          "{} query heads do not divide among {} KV heads", e.q.heads, e.k.heads);
  require(site, site.has_input(kPastKey) == site.has_input(kPastValue),
          "past_key and past_value come together");
  const int64_t mode = site.attributes->get_int("qk_matmul_output_mode", 0);
  require(site, mode >= 0 && mode <= 3, "attribute qk_matmul_output_mode: expected 0 to 3, found {}", mode);
  if (site.has_input(kMask)) check_mask(site, e);
  if (site.has_input(kValidKeys)) check_valid_keys(site, e);
  if (site.has_input(kPastKey)) {
    check_past(site, kPastKey, e.k, e.past);
    check_past(site, kPastValue, e.v, e.past);
  }

  Shape y = site.input_shape(kQ);
  const bool known = e.q.heads >= 0 && e.v.dim >= 0;
  y[y.rank() - 1] = !e.q.packed ? e.v.dim : known ? e.q.heads * e.v.dim : Shape::kUnknownDim;
  const int64_t total = total_length(e);
  return {{type, y},
          {type, Shape{e.k.batch, e.k.heads, total, e.k.dim}},
          {type, Shape{e.v.batch, e.v.heads, total, e.v.dim}},
          {type, Shape{e.q.batch, e.q.heads, e.q.length, total}}};
}

Cost cost(const OpSite& site) {
  const Extents e = extents_of(site);
  Cost total = traffic(site);
  total.flops = 2 * static_cast<double>(e.q.batch * e.q.heads * e.q.length) *
                static_cast<double>(total_length(e)) * static_cast<double>(e.q.dim + e.v.dim);
  return total;
}

/// Keys or values of the past and of this run, one after the other.
struct History {
  const TensorView* past;
  HeadsExtent past_extent;
  const TensorView& fresh;
  HeadsExtent fresh_extent;

  void load(int64_t b, int64_t head, int64_t position, std::span<float> out) const {
    if (past && position < past_extent.length)
      load_floats(*past, past_extent.offset(b, head, position), out);
    else
      load_floats(fresh, fresh_extent.offset(b, head, position - (past ? past_extent.length : 0)), out);
  }
  int64_t length() const { return fresh_extent.length + (past ? past_extent.length : 0); }

  void write(const MutableTensorView& present) const {
    std::vector<float> row(static_cast<size_t>(fresh_extent.dim));
    const HeadsExtent to{fresh_extent.batch, fresh_extent.heads, length(), fresh_extent.dim, false};
    for (int64_t b = 0; b < to.batch; ++b)
      for (int64_t head = 0; head < to.heads; ++head)
        for (int64_t position = 0; position < to.length; ++position) {
          load(b, head, position, row);
          store_floats(row, present, to.offset(b, head, position));
        }
  }
};

History history(std::span<const Operand> inputs, size_t past, size_t fresh, const HeadsExtent& extent) {
  const bool has_past = past < inputs.size() && inputs[past].present;
  HeadsExtent past_extent = extent;
  past_extent.packed = false;
  past_extent.length = has_past ? inputs[past].tensor.shape[2] : 0;
  return {has_past ? &inputs[past].tensor : nullptr, past_extent, inputs[fresh].tensor, extent};
}

/// Writes what one query's scores are at the stage that attribute qk_matmul_output_mode names.
class ScoresOutput {
 public:
  enum Stage : int64_t { kProduct, kCapped, kMasked, kSoftmax };
  ScoresOutput(const OpSite& site, std::span<const MutableTensorView> outputs)
      : stage_(site.attributes->get_int("qk_matmul_output_mode", 0)) {
    if (outputs.size() > kScores) view_ = outputs[kScores];
  }
  void write(Stage stage, int64_t row, size_t position, double score) const {
    if (stage != stage_ || !view_.data) return;
    const auto value = static_cast<float>(score);
    store_floats({&value, 1}, view_, row * view_.shape[3] + static_cast<int64_t>(position));
  }

 private:
  int64_t stage_;
  MutableTensorView view_;
};

/// Scores become weights that sum to one; all 0 where everything is masked.
void softmax(std::span<double> scores) {
  double highest = -HUGE_VAL, sum = 0;
  for (double score : scores) highest = std::max(highest, score);
  if (highest == -HUGE_VAL) {
    std::fill(scores.begin(), scores.end(), 0.0);
    return;
  }
  for (double& score : scores) sum += score = std::exp(score - highest);
  for (double& score : scores) score /= sum;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Extents e = extents_of(site);
  const float scale = site.attributes->get_float("scale", 1.0f / std::sqrt(static_cast<float>(e.q.dim)));
  const float softcap = site.attributes->get_float("softcap", 0.0f);
  const History keys = history(inputs, kPastKey, kK, e.k);
  const History values = history(inputs, kPastValue, kV, e.v);
  const AttentionMask mask(
      site.has_input(kMask) ? &inputs[kMask] : nullptr,
      Shape{e.q.batch, e.q.heads, e.q.length, keys.length()}, e.past,
      site.attributes->get_int("is_causal", 0) != 0, site.attributes->get_int("window", 0),
      site.has_input(kValidKeys) ? inputs[kValidKeys].span<int64_t>() : std::span<const int64_t>{});
  const ScoresOutput shown(site, outputs);
  HeadsExtent y = e.q;
  y.dim = e.v.dim;

  std::vector<float> query(static_cast<size_t>(e.q.dim)), key(query.size()),
      value(static_cast<size_t>(e.v.dim)), result(value.size());
  std::vector<double> scores(static_cast<size_t>(keys.length()));
  auto attend = [&](int64_t b, int64_t head, int64_t row) {
    const int64_t kv_head = head / (e.q.heads / e.k.heads);
    const int64_t line = (b * e.q.heads + head) * e.q.length + row;
    load_floats(inputs[kQ].tensor, e.q.offset(b, head, row), query);
    for (size_t position = 0; position < scores.size(); ++position) {
      const auto at = static_cast<int64_t>(position);
      keys.load(b, kv_head, at, key);
      double score = 0;
      for (size_t i = 0; i < key.size(); ++i) score += double{query[i]} * key[i];
      score *= scale;
      shown.write(ScoresOutput::kProduct, line, position, score);
      if (softcap > 0) score = softcap * std::tanh(score / softcap);
      shown.write(ScoresOutput::kCapped, line, position, score);
      const double addend = mask(b, head, row, at);
      scores[position] = addend == -HUGE_VAL ? addend : score + addend;  // what is masked may be NaN
      shown.write(ScoresOutput::kMasked, line, position, scores[position]);
    }
    softmax(scores);
    std::vector<double> weighted(value.size(), 0.0);
    for (size_t position = 0; position < scores.size(); ++position) {
      const double weight = scores[position];
      shown.write(ScoresOutput::kSoftmax, line, position, weight);
      if (weight == 0) continue;  // what is masked does not count, be it infinite
      values.load(b, kv_head, static_cast<int64_t>(position), value);
      for (size_t i = 0; i < value.size(); ++i) weighted[i] += weight * value[i];
    }
    for (size_t i = 0; i < value.size(); ++i) result[i] = static_cast<float>(weighted[i]);
    store_floats(result, outputs[kY], y.offset(b, head, row));
  };
  for (int64_t b = 0; b < e.q.batch; ++b)
    for (int64_t head = 0; head < e.q.heads; ++head)
      for (int64_t row = 0; row < e.q.length; ++row) attend(b, head, row);
  if (outputs.size() > kPresentKey) keys.write(outputs[kPresentKey]);
  if (outputs.size() > kPresentValue) values.write(outputs[kPresentValue]);
}

}  // namespace

HeadsExtent heads_extent(const OpSite& site, size_t input, std::string_view attribute) {
  const Shape& shape = site.input_shape(input);
  const std::string_view name = site.schema->inputs[input].name;
  require(site, shape.rank() >= 2 && shape.rank() <= 4, "{}: expected 2 to 4 dimensions, found {}", name,
          shape.str());
  if (shape.rank() == 4) return {shape[0], shape[1], shape[2], shape[3], false};
  const int64_t heads = site.attributes->get_int(attribute, 0);
  const int64_t width = shape.back();
  require(site, heads > 0 && (width < 0 || (width > 0 && width % heads == 0)),
          "{} {}: the width is not attribute {} ({}) heads", name, shape.str(), attribute, heads);
  const int64_t dim = width < 0 ? Shape::kUnknownDim : width / heads;
  if (shape.rank() == 2) return {1, heads, shape[0], dim, true};
  return {shape[0], heads, shape[1], dim, true};
}

const OpSchema& attention_schema() {
  static const OpSchema schema = {
      .name = "Attention",
      .domain = "",
      .inputs = {{"Q"},
                 {"K"},
                 {"V"},
                 {"attn_mask", true},
                 {"past_key", true},
                 {"past_value", true},
                 {"nonpad_kv_seqlen", true}},
      .outputs = {"Y", "present_key", "present_value", "qk_matmul_output"},
      .optional_outputs = 3,
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
