#include "quant/calib/finite_samples.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/error.h"
#include "core/short_floats.h"
#include "quant/structure/ended_infinities.h"

namespace halftone {

std::optional<float> first_not_finite(const TensorView& tensor, bool infinities_end) {
  if (!is_f32_or_short(tensor.dtype)) return {};
  std::array<float, 1024> some;
  const int64_t count = tensor.shape.elements();
  for (int64_t at = 0; at < count; at += std::ssize(some)) {
    const auto part = std::span(some).first(static_cast<size_t>(std::min(count - at, std::ssize(some))));
    load_floats(tensor, at, part);
    for (const float x : part) {
      if (std::isnan(x)) return NAN;  // whose sign says nothing
      if (std::isinf(x) && !infinities_end) return x;
    }
  }
  return {};
}

FiniteSamples::FiniteSamples(const CalibrationData& data, const Graph& graph) : data_(data) {
  const std::vector<bool> ended = ended_infinities(graph);
  std::set<std::string> may_be_infinite;
  for (ValueId input : graph.inputs())
    if (ended[static_cast<size_t>(input)]) may_be_infinite.insert(graph.value(input).name);
  std::string seen;
  for (int s = 0; s < data.samples(); ++s) {
    bool finite = true;
    for (const auto& [name, tensor] : data.sample(s))
      if (const auto bad = first_not_finite(tensor.view(), may_be_infinite.contains(name))) {
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
