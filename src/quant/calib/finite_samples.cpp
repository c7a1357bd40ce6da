#include "quant/calib/finite_samples.h"

#include <cmath>

#include "base/error.h"

namespace halftone {

std::optional<float> first_not_finite(const TensorView& tensor) {
  if (tensor.dtype != DType::f32) return {};
  for (const float x : tensor.span<float>())
    if (!std::isfinite(x)) return std::isnan(x) ? NAN : x;  // whose sign says nothing
  return {};
}

FiniteSamples::FiniteSamples(const CalibrationData& data) : data_(data) {
  std::string seen;
  for (int s = 0; s < data.samples(); ++s) {
    bool finite = true;
    for (const auto& [name, tensor] : data.sample(s))
      if (const auto bad = first_not_finite(tensor.view())) {
        if (seen.empty()) seen = fmt::format("its input \"{}\" is {}", name, *bad);
        finite = false;
      }
    if (finite) kept_.push_back(s);
  }
  if (seen.empty()) return;
  remark_ = fmt::format("{} of {} samples left out: {}", data.samples() - samples(), data.samples(), seen);
  if (kept_.empty()) throw InputError("calibration: {}", remark_);
}

}  // namespace halftone
