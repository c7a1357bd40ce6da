#include "quant/algo/omniquant/learned_factors.h"

#include <algorithm>
#include <cmath>

namespace halftone {
namespace {

/// Calls body(index along the axis, first element, past the last) for every run of elements at one index.
template <class Body>
void for_runs(const Shape& shape, int axis, Body body) {
  size_t inner = 1;
  for (int a = axis + 1; a < shape.rank(); ++a) inner *= static_cast<size_t>(shape[a]);
  const auto size = static_cast<size_t>(shape[axis]), elements = static_cast<size_t>(shape.elements());
  for (size_t first = 0; first < elements; first += inner) body(first / inner % size, first, first + inner);
}

}  // namespace

LearnedFactors::LearnedFactors(ScaleGroup group, float rate)
    : group_(std::move(group)),
      rate_(rate),
      logs_(group_.absorption->tied.size()),
      kept_(logs_),
      slopes_(logs_.size()),
      factors_(logs_.size()),
      adam_(logs_.size()) {
  set_factors();
}

void LearnedFactors::set_factors() {
  for (size_t c = 0; c < factors_.size(); ++c)
    factors_[c] = std::exp(logs_[static_cast<size_t>(group_.absorption->tied[c])]);
}

void LearnedFactors::add_slope(int32_t channel, float slope) {
  slopes_[static_cast<size_t>(group_.absorption->tied[static_cast<size_t>(channel)])] += slope;
  slopes_added_ = true;
}

void LearnedFactors::take_step() {
  if (!slopes_added_) return;
  adam_.step(logs_, slopes_, rate_);
  std::ranges::fill(slopes_, 0.0f);
  slopes_added_ = false;
  set_factors();
}

void LearnedFactors::restore() {
  logs_ = kept_;
  set_factors();
}

void FactoredConstant::write(std::span<float> values, Progress) {
  std::ranges::copy(values_.span<float>(), values.begin());
  for (const FactorUse& use : uses_) {
    use.factors->take_step();
    const std::vector<float>& factors = use.factors->factors();
    for_runs(values_.shape(), use.axis, [&](size_t index, size_t first, size_t last) {
      const int32_t channel = use.channels[index];
      if (channel == kNoChannel) return;
      const float factor = factors[static_cast<size_t>(channel)];
      const float by = use.power > 0 ? factor : 1 / factor;
      for (size_t i = first; i < last; ++i) values[i] *= by;
    });
  }
  std::ranges::copy(values, written_.begin());
}

void FactoredConstant::learn(std::span<const float> gradient, Progress) {
  for (const FactorUse& use : uses_) {
    std::vector<double> slopes(use.channels.size());  // dv / dl = power v
    for_runs(values_.shape(), use.axis, [&](size_t index, size_t first, size_t last) {
      for (size_t i = first; i < last; ++i) slopes[index] += double{gradient[i]} * written_[i];
    });
    for (size_t index = 0; index < slopes.size(); ++index)
      if (use.channels[index] != kNoChannel)
        use.factors->add_slope(use.channels[index], static_cast<float>(use.power * slopes[index]));
  }
}

void FactoredConstant::keep() {
  for (const FactorUse& use : uses_) use.factors->keep();
}

void FactoredConstant::restore() {
  for (const FactorUse& use : uses_) use.factors->restore();
}

}  // namespace halftone
