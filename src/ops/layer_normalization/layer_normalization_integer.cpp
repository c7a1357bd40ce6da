#include "ops/layer_normalization/layer_normalization_integer.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/elementwise.h"
#include "ops/integer_functions.h"
#include "ops/normalization.h"

namespace halftone {
namespace {

constexpr int kStepBits = 12;  ///< of a standardized number behind the point
constexpr int kShift = 24;     ///< of factors

std::string refusal(const OpSite& site) {
  if (!site.inputs[0].storage.codes || !site.storage_of_output(0).codes) return "not from codes to codes";
  if (site.storage_of_output(0).wide()) return "the output has codes of 16 bits";
  if (site.outputs.size() > 1) return "statistics are asked for";
  for (size_t i : {size_t{1}, size_t{2}}) {
    if (!site.has_input(i)) continue;
    if (!site.inputs[i].constant) return "scale or bias is no constant";
    if (site.input_shape(i) != Shape{site.input_shape(0).back()}) return "scale or bias is no vector";
  }
  const int rank = site.input_shape(0).rank();
  if (normalized_axis(site) != rank - 1) return "more than the last axis is normalized";
  const int64_t columns = site.input_shape(0).back();
  if (columns < 1 || columns > 1 << 14) return "no columns, or more than 2^14";
  return {};
}

/// Bits that differences lose before they are squared, so that n squares sum to less than 2^62.
int dropped_bits(int64_t n, int code_bits) {
  const double bits = 3 * std::log2(static_cast<double>(n)) + 2 * code_bits;
  return std::max(0, static_cast<int>(std::ceil((bits - 62) / 2)));
}

/// A vector of factors as integers.
std::vector<int64_t> factors(const Operand& operand, int64_t count, double unit) {
  std::vector<float> values(static_cast<size_t>(count));
  load_floats(operand.tensor, 0, values);
  std::vector<int64_t> integers;
  for (float value : values) integers.push_back(std::llround(double{value} * unit));
  return integers;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const CodeScale in = *site.inputs[0].storage.codes, out = *site.storage_of_output(0).codes;
  const int64_t n = site.input_shape(0).back();
  const double one = std::ldexp(1.0, kShift) / out.scale;
  const std::vector<int64_t> scale = factors(inputs[1], n, std::ldexp(one, -kStepBits));
  const std::vector<int64_t> bias =
      site.has_input(2) ? factors(inputs[2], n, one) : std::vector<int64_t>(static_cast<size_t>(n));
  const double epsilon = site.attributes->get_float("epsilon", 1e-5f);
  const auto floor = static_cast<int64_t>(
      std::min(std::ceil(static_cast<double>(n * n) * epsilon / (double{in.scale} * in.scale)), 0x1p60));
  const TensorView& x = inputs[0].tensor;
  const auto y = outputs[0].span<uint8_t>();
  const int drop = dropped_bits(n, in.wide() ? 16 : 8);
  std::vector<int64_t> d(static_cast<size_t>(n));
  for (size_t row = 0; row < y.size(); row += static_cast<size_t>(n)) {
    int64_t sum = 0, squares = 0;
    for (size_t i = 0; i < d.size(); ++i) {
      d[i] = in.wide() ? int64_t{x.span<int16_t>()[row + i]} : x.span<uint8_t>()[row + i] - in.zero;
      sum += d[i];
    }
    for (size_t i = 0; i < d.size(); ++i) {
      d[i] = n * d[i] - sum;
      squares += (d[i] >> drop) * (d[i] >> drop);
    }
    const int64_t root = std::max<int64_t>(integer_sqrt((squares / n << 2 * drop) + floor), 1);
    for (size_t i = 0; i < d.size(); ++i) {
      const int64_t step = d[i] * (int64_t{1} << kStepBits) / root;
      const int64_t code = (step * scale[i] + bias[i] + (int64_t{1} << (kShift - 1))) >> kShift;
      y[row + i] = static_cast<uint8_t>(std::clamp<int64_t>(code + out.zero, 0, 255));
    }
  }
}

}  // namespace

const IntegerMeaning layer_normalization_on_codes{refusal, reference, true};

}  // namespace halftone
