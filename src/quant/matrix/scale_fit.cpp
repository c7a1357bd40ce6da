#include "quant/matrix/scale_fit.h"

#include <vector>

#include "scheme/quantized_tensor.h"

namespace halftone {
namespace {

constexpr int kSteps = 40;

CodeParams params_for(const Encoding& encoding, ValueRange range, float ratio) {
  const NumberFormat& format = *encoding.format;
  range.min *= ratio;
  range.max *= ratio;
  CodeParams params;
  params.scale = round_scale(format.fit_scale(range, encoding.symmetric), encoding.scale_dtype);
  params.real_minimum = encoding.real_minimum;
  if (encoding.real_minimum)
    params.minimum = round_scale(range.min, encoding.scale_dtype);
  else
    params.zero = format.zero_code(range, params.scale, encoding.symmetric);
  return params;
}

double error_of(const NumberFormat& format, const CodeParams& params, std::span<const float> values,
                std::span<const float> importance, std::span<uint8_t> codes, std::span<float> back) {
  format.encode(values, params, codes);
  format.decode(codes, params, back);
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const float error = values[i] - back[i];
    sum += static_cast<double>(error * error * (importance.empty() ? 1.0f : importance[i]));
  }
  return sum;
}

}  // namespace

CodeParams fit_group(const Encoding& encoding, std::span<const float> values,
                     std::span<const float> importance, bool search) {
  const ValueRange range = value_range(values);
  CodeParams best = params_for(encoding, range, 1);
  const bool symmetric_integer = encoding.format->is_integer() && encoding.symmetric;
  if (symmetric_integer) best.lowest = 1;
  if (!search || best.scale == 0) return best;
  std::vector<uint8_t> codes(values.size());
  std::vector<float> back(values.size());
  double least = error_of(*encoding.format, best, values, importance, codes, back);
  for (int step = 0; step <= kSteps / 2; ++step) {
    const float ratio = 1 - static_cast<float>(step) / kSteps;
    const CodeParams params = params_for(encoding, range, ratio);
    const double error = error_of(*encoding.format, params, values, importance, codes, back);
    if (error >= least) continue;
    least = error;
    best = params;
  }
  return best;
}

}  // namespace halftone
