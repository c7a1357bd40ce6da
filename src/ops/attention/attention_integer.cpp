#include "ops/attention/attention_integer.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/attention/attention.h"
#include "ops/integer_functions.h"
#include "scheme/requantize.h"

namespace halftone {
namespace {

constexpr int kWeightBits = 15;

std::string refusal(const OpSite& site) {
  for (size_t i = 0; i < 3; ++i)
    if (!site.inputs[i].storage.codes) return "Q, K and V are not all stored as codes";
  for (size_t i = 3; i < site.inputs.size(); ++i)
    if (site.has_input(i)) return "it has a mask or a past";
  if (site.outputs.size() > 1) return "more than Y is asked for";
  const Attributes& attributes = *site.attributes;
  if (attributes.get_int("is_causal", 0) != 0 || attributes.get_int("window", 0) != 0 ||
      attributes.get_float("softcap", 0) != 0)
    return "it is causal, or has a window or a cap";
  const HeadsExtent k = heads_extent(site, 1, "kv_num_heads");
  if (k.dim > 1 << 14 || k.length > 1 << 20) return "sums leave 32 bits";
  if (attributes.get_float("scale", 1) <= 0) return "its scale is not positive";
  return {};
}

/// The codes of one head, less their zero: [length, dim].
std::vector<int16_t> head_of(const OpSite& site, const Operand& operand, size_t input, const HeadsExtent& e,
                             int64_t b, int64_t head) {
  const auto zero = static_cast<int16_t>(site.inputs[input].storage.codes->zero);
  const uint8_t* codes = operand.span<uint8_t>().data();
  std::vector<int16_t> rows;
  rows.reserve(static_cast<size_t>(e.length * e.dim));
  for (int64_t position = 0; position < e.length; ++position) {
    const uint8_t* row = codes + e.offset(b, head, position);
    for (int64_t i = 0; i < e.dim; ++i) rows.push_back(static_cast<int16_t>(row[i] - zero));
  }
  return rows;
}

/// Scores -> weights in units of 2^-15.
class Weights {
 public:
  Weights(double scale, bool logarithmic) : exp_(scale), logarithmic_(logarithmic) {}

  void operator()(std::span<const int32_t> scores, std::span<int32_t> weights) {
    const int64_t largest = *std::max_element(scores.begin(), scores.end());
    parts_.resize(scores.size());
    int64_t sum = 0;
    for (size_t i = 0; i < scores.size(); ++i) sum += parts_[i] = exp_(scores[i] - largest);
    for (size_t i = 0; i < scores.size(); ++i)
      weights[i] = logarithmic_ ? 1 << (kWeightBits - logarithmic_code(parts_[i], sum))
                                : static_cast<int32_t>((parts_[i] << kWeightBits) / sum);
  }

 private:
  IntegerExp exp_;
  bool logarithmic_;
  std::vector<int64_t> parts_;
};

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const HeadsExtent q = heads_extent(site, 0, "q_num_heads"), k = heads_extent(site, 1, "kv_num_heads"),
                    v = heads_extent(site, 2, "kv_num_heads");
  HeadsExtent y = q;
  y.dim = v.dim;
  const auto scale_of = [&](size_t i) { return double{site.inputs[i].storage.codes->scale}; };
  const double scale = site.attributes->get_float("scale", 1.0f / std::sqrt(static_cast<float>(q.dim))) *
                       scale_of(0) * scale_of(1);
  const std::string kind = site.attributes->get_string("softmax", "uniform");
  require(site, kind == "uniform" || kind == "log2",
          "attribute softmax: expected uniform or log2, found \"{}\"", kind);
  Weights weigh(scale, kind == "log2");
  const double unit = std::ldexp(scale_of(2), -kWeightBits);
  const std::optional<CodeScale> codes = site.storage_of_output(0).codes;
  const FixedMultiplier multiplier = codes ? fixed_multiplier(unit / codes->scale) : FixedMultiplier{};

  std::vector<int32_t> scores(static_cast<size_t>(k.length)), weights(scores.size());
  std::vector<int64_t> sums(static_cast<size_t>(v.dim));
  for (int64_t b = 0; b < q.batch; ++b)
    for (int64_t head = 0; head < q.heads; ++head) {
      const int64_t kv_head = head / (q.heads / k.heads);
      const auto queries = head_of(site, inputs[0], 0, q, b, head),
                 keys = head_of(site, inputs[1], 1, k, b, kv_head),
                 values = head_of(site, inputs[2], 2, v, b, kv_head);
      for (int64_t row = 0; row < q.length; ++row) {
        const int16_t* query = queries.data() + row * q.dim;
        for (size_t i = 0; i < scores.size(); ++i) {
          const int16_t* key = keys.data() + static_cast<int64_t>(i) * k.dim;
          int32_t score = 0;
          for (int64_t c = 0; c < k.dim; ++c) score += query[c] * key[c];
          scores[i] = score;
        }
        weigh(scores, weights);
        std::fill(sums.begin(), sums.end(), 0);
        for (size_t i = 0; i < weights.size(); ++i) {
          const int16_t* value = values.data() + static_cast<int64_t>(i) * v.dim;
          for (size_t c = 0; c < sums.size(); ++c) sums[c] += int64_t{weights[i]} * value[c];
        }
        const auto at = static_cast<size_t>(y.offset(b, head, row));
        for (size_t c = 0; c < sums.size(); ++c) {
          const auto sum = static_cast<int32_t>(
              std::clamp<int64_t>(sums[c], -int64_t{kLargestInt32}, int64_t{kLargestInt32}));
          if (codes)
            outputs[0].span<uint8_t>()[at + c] = static_cast<uint8_t>(
                std::clamp<int64_t>(int64_t{multiply_fixed(sum, multiplier)} + codes->zero, 0, 255));
          else
            outputs[0].span<float>()[at + c] = static_cast<float>(sum) * static_cast<float>(unit);
        }
      }
    }
}

}  // namespace

const IntegerMeaning attention_on_codes{refusal, reference};

}  // namespace halftone
