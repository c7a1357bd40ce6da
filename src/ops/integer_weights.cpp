#include "ops/integer_weights.h"

#include <algorithm>
#include <cmath>

namespace halftone {
namespace {

bool is_finite(const Constant& bias) {
  const Tensor numbers = to_f32(bias.load());
  return std::ranges::all_of(numbers.span<float>(), [](float x) { return std::isfinite(x); });
}

/// Steps of a bias, and of a residual, beside weights that hardly count.
constexpr double kFinestBias = 0x1p20, kFinestResidual = 0x1p15;
/// What a bias, and codes of a residual, are at most beside sums of 2^30.
constexpr double kMostBias = 0x1p29, kMostFactor = 0x1p21;

/// Makes the unit of an output larger, and its codes and its bias as much coarser.
void raise_unit(IntegerWeights& weights, size_t output, double unit) {
  const double share = weights.units[output] / unit;
  const auto columns = static_cast<size_t>(weights.columns);
  weights.sums[output] = 0;
  for (int8_t& code : std::span(weights.codes).subspan(output * columns, columns)) {
    code = static_cast<int8_t>(std::nearbyint(code * share));
    weights.sums[output] += code;
  }
  weights.bias[output] = static_cast<int32_t>(std::nearbyint(weights.bias[output] * share));
  weights.units[output] = unit;
}

}  // namespace

std::string integer_weights_refusal(const OpSite& site, int output_axis, int64_t columns) {
  if (!site.inputs[0].storage.codes) return "the input is not stored as codes";
  if (site.inputs[0].storage.wide()) return "the input has codes of 16 bits";
  const Constant* weights = site.inputs[1].constant;
  if (!weights || !weights->encoding()) return "the weights have no encoding";
  const Encoding& encoding = *weights->encoding();
  if (!encoding.format->is_integer() || !encoding.symmetric || encoding.real_minimum)
    return "the weights are " + encoding.str() + ", not symmetric integers";
  const bool per_output =
      encoding.granularity.kind == Granularity::Kind::per_axis && encoding.granularity.axis == output_axis;
  if (!per_output && encoding.granularity.kind != Granularity::Kind::per_tensor)
    return "the weights have neither one scale an output nor one for all";
  if (columns > kIntegerColumnsMax) return fmt::format("sums over {} columns may not fit 32 bits", columns);
  if (!site.has_input(2)) return {};
  if (!site.inputs[2].constant) return "the bias is not a constant";
  return is_finite(*site.inputs[2].constant) ? "" : "the bias is not finite";
}

IntegerWeights integer_weights(const OpSite& site, const QuantizedTensor& weights, int output_axis,
                               std::span<const float> bias) {
  const bool turned = output_axis != 0;
  IntegerWeights result;
  result.outputs = turned ? weights.columns() : weights.rows();
  result.columns = turned ? weights.rows() : weights.columns();
  const size_t outputs = static_cast<size_t>(result.outputs), columns = static_cast<size_t>(result.columns);
  result.codes.resize(outputs * columns);
  result.sums.resize(outputs);

  const double input_scale = double{site.inputs[0].storage.codes->scale};
  const int32_t zero = 1 << (weights.encoding().format->bits() - 1);
  std::vector<uint8_t> row(static_cast<size_t>(weights.columns()));
  std::vector<float> scales(static_cast<size_t>(weights.grid().groups));
  for (int64_t r = 0; r < weights.rows(); ++r) {
    weights.row_codes(r, row);
    weights.row_scales(r, scales);
    for (size_t c = 0; c < row.size(); ++c) {
      const size_t output = turned ? c : static_cast<size_t>(r), column = turned ? static_cast<size_t>(r) : c;
      const bool negative = scales[c / static_cast<size_t>(weights.grid().group)] < 0;
      const int32_t code = negative ? std::min(zero - row[c], 127) : row[c] - zero;
      result.codes[output * columns + column] = static_cast<int8_t>(code);
      result.sums[output] += code;
    }
    if (!turned) result.units.push_back(input_scale * std::fabs(double{scales[0]}));
  }
  if (turned)
    for (size_t output = 0; output < outputs; ++output)
      result.units.push_back(input_scale *
                             std::fabs(double{scales[output / static_cast<size_t>(weights.grid().group)]}));

  result.bias.resize(outputs);
  for (size_t output = 0; output < outputs && !bias.empty(); ++output) {
    const double size = std::fabs(double{bias[output]});
    if (size > kMostBias * result.units[output]) raise_unit(result, output, size / kFinestBias);
    const double unit = result.units[output];
    if (unit > 0) result.bias[output] = static_cast<int32_t>(std::nearbyint(double{bias[output]} / unit));
  }
  return result;
}

bool sums_fit_floats(const IntegerWeights& weights, int32_t reach) {
  for (int64_t o = 0; o < weights.outputs; ++o) {
    int64_t sum = std::abs(int64_t{weights.bias[static_cast<size_t>(o)]});
    for (int64_t c = 0; c < weights.columns; ++c)
      sum += int64_t{reach} * std::abs(weights.codes[static_cast<size_t>(o * weights.columns + c)]);
    if (sum >= int64_t{1} << 24) return false;
  }
  return true;
}

IntegerResidual integer_residual(IntegerWeights& weights, const CodeScale& residual) {
  for (size_t output = 0; output < weights.units.size(); ++output)
    if (double{residual.scale} > kMostFactor * weights.units[output])
      raise_unit(weights, output, double{residual.scale} / kFinestResidual);
  double largest = 1;
  for (size_t output = 0; output < static_cast<size_t>(weights.outputs); ++output) {
    double sum = std::fabs(static_cast<double>(weights.bias[output]));
    for (int64_t c = 0; c < weights.columns; ++c)
      sum += 255.0 *
             std::abs(weights.codes[output * static_cast<size_t>(weights.columns) + static_cast<size_t>(c)]);
    if (weights.units[output] > 0) sum += 256.0 * double{residual.scale} / weights.units[output];
    largest = std::max(largest, sum);
  }
  IntegerResidual result;
  result.shift = std::clamp(29 - std::ilogb(largest), 0, 6);
  for (double& unit : weights.units) {
    unit = std::ldexp(unit, -result.shift);
    const double factor = unit > 0 ? std::nearbyint(double{residual.scale} / unit) : 0;
    result.factors.push_back(static_cast<int32_t>(std::min(factor, 0x1p22)));
  }
  return result;
}

}  // namespace halftone
