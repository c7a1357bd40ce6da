#include "quant/calib/value_histogram.h"

#include <algorithm>
#include <cmath>

namespace halftone {

void ValueHistogram::reach(float magnitude) {
  int exponent;
  std::frexp(magnitude, &exponent);  // magnitude < 2^exponent
  const double wanted = std::ldexp(1.0, exponent) / kBinsPerSign;
  if (width_ == 0) width_ = wanted;
  for (; width_ < wanted; width_ *= 2) {
    std::vector<uint64_t> merged(bins_.size());
    for (size_t i = 0; i < bins_.size(); ++i) merged[(i + kBinsPerSign) / 2] += bins_[i];
    bins_ = std::move(merged);
  }
}

void ValueHistogram::add(std::span<const float> values) {
  float low = minimum_, high = maximum_;
  for (float x : values) {
    if (!std::isfinite(x)) {
      ++not_finite_;
      continue;
    }
    low = std::min(low, x);
    high = std::max(high, x);
  }
  if (!(low <= high)) return;
  minimum_ = low;
  maximum_ = high;
  if (const float magnitude = std::max(std::fabs(low), std::fabs(high)); magnitude > 0) reach(magnitude);
  const double inverse = width_ > 0 ? 1 / width_ : 0;
  for (float x : values) {
    if (!std::isfinite(x)) continue;
    ++count_;
    ++bins_[static_cast<size_t>(std::floor(x * inverse) + kBinsPerSign)];
  }
}

}  // namespace halftone
