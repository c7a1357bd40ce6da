#include "ops/attention/attention.h"

#include <cmath>

#include "ops/attention/attention_mask.h"
#include "ops/elementwise.h"

namespace halftone {
namespace {

enum Input : size_t { kQ, kK, kV, kMask, kPastKey, kPastValue };

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
  require(site,
          site.input_shape(input) == expected && site.inputs[input].type.dtype == site.inputs[kQ].type.dtype,
          "{}: expected {} {}, found {} {}", site.schema->inputs[input].name,
          dtype_name(site.inputs[kQ].type.dtype), expected.str(), dtype_name(site.inputs[input].type.dtype),
          site.input_shape(input).str());
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
  require(site, broadcast_shapes(site, leading, scores) == scores, "attn_mask: {} does not broadcast to {}",
          mask.shape.str(), scores.str());
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
          e.q.batch == e.k.batch && e.k.batch == e.v.batch && e.k.heads == e.v.heads &&
              e.k.length == e.v.length && e.q.dim == e.k.dim,
          "Q {}, K {} and V {} do not fit together", site.input_shape(kQ).str(), site.input_shape(kK).str(),
          site.input_shape(kV).str());
  require(site, e.k.heads > 0 && e.q.heads % e.k.heads == 0, "{} query heads do not divide among {} KV heads",
          e.q.heads, e.k.heads);
  require(site, site.has_input(kPastKey) == site.has_input(kPastValue),
          "past_key and past_value come together");
  if (site.has_input(kMask)) check_mask(site, e);

  Shape y = site.input_shape(kQ);
  y[y.rank() - 1] = e.q.packed ? e.q.heads * e.v.dim : e.v.dim;
  std::vector<ValueType> outputs = {{type, y}};
  if (site.has_input(kPastKey)) {
    check_past(site, kPastKey, e.k, e.past);
    check_past(site, kPastValue, e.v, e.past);
    const int64_t total = total_length(e);
    outputs.push_back({type, Shape{e.k.batch, e.k.heads, total, e.k.dim}});
    outputs.push_back({type, Shape{e.v.batch, e.v.heads, total, e.v.dim}});
  }
  return outputs;
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

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Extents e = extents_of(site);
  const float scale = site.attributes->get_float("scale", 1.0f / std::sqrt(static_cast<float>(e.q.dim)));
  const float softcap = site.attributes->get_float("softcap", 0.0f);
  const bool causal = site.attributes->get_int("is_causal", 0) != 0;
  const History keys = history(inputs, kPastKey, kK, e.k);
  const History values = history(inputs, kPastValue, kV, e.v);
  const int64_t total = keys.length();
  const bool masked = inputs.size() > kMask && inputs[kMask].present;
  const AttentionMask mask(masked ? &inputs[kMask] : nullptr, Shape{e.q.batch, e.q.heads, e.q.length, total},
                           e.past, causal, site.attributes->get_int("window", 0));
  HeadsExtent y = e.q;
  y.dim = e.v.dim;

  std::vector<float> query(static_cast<size_t>(e.q.dim)), key(query.size()),
      value(static_cast<size_t>(e.v.dim));
  std::vector<float> result(value.size());
  std::vector<double> scores(static_cast<size_t>(total));
  for (int64_t b = 0; b < e.q.batch; ++b)
    for (int64_t head = 0; head < e.q.heads; ++head)
      for (int64_t row = 0; row < e.q.length; ++row) {
        const int64_t kv_head = head / (e.q.heads / e.k.heads);
        load_floats(inputs[kQ].tensor, e.q.offset(b, head, row), query);
        double highest = -HUGE_VAL;
        for (int64_t position = 0; position < total; ++position) {
          keys.load(b, kv_head, position, key);
          double score = 0;
          for (size_t i = 0; i < key.size(); ++i) score += double{query[i]} * key[i];
          score *= scale;
          if (softcap > 0) score = softcap * std::tanh(score / softcap);
          scores[static_cast<size_t>(position)] = score += mask(b, head, row, position);
          highest = std::max(highest, score);
        }
        double sum = 0;
        std::vector<double> weighted(value.size(), 0.0);
        for (int64_t position = 0; position < total; ++position) {
          values.load(b, kv_head, position, value);
          const double weight = std::exp(scores[static_cast<size_t>(position)] - highest);
          sum += weight;
          if (weight == 0) continue;  // what is masked does not count, be it infinite
          for (size_t i = 0; i < value.size(); ++i) weighted[i] += weight * value[i];
        }
        for (size_t i = 0; i < value.size(); ++i) result[i] = static_cast<float>(weighted[i] / sum);
        store_floats(result, outputs[0], y.offset(b, head, row));
      }
  if (outputs.size() > 1) {
    keys.write(outputs[1]);
    values.write(outputs[2]);
  }
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
  require(site, heads > 0 && width > 0 && width % heads == 0,
          "{} {}: the width is not attribute {} ({}) heads", name, shape.str(), attribute, heads);
  if (shape.rank() == 2) return {1, heads, shape[0], width / heads, true};
  return {shape[0], heads, shape[1], width / heads, true};
}

const OpSchema& attention_schema() {
  static const OpSchema schema = {
      .name = "Attention",
      .domain = "",
      .inputs = {{"Q"}, {"K"}, {"V"}, {"attn_mask", true}, {"past_key", true}, {"past_value", true}},
      .outputs = {"Y", "present_key", "present_value"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
