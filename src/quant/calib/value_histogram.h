#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace halftone {

/// Counts of a stream of values, in bins of equal width around 0.
///
/// The bins cover [-reach, reach) with reach a power of two above every value seen; when a larger one comes,
/// bins are merged pair by pair. So the result does not depend on the order of the values, and the largest
/// magnitude lies in the upper half of the bins of its sign.
class ValueHistogram {
 public:
  static constexpr int kBinsPerSign = 4096;

  void add(std::span<const float> values);

  uint64_t count() const { return count_; }            ///< finite values
  uint64_t not_finite() const { return not_finite_; }  ///< NaN and infinity, which no bin counts
  float minimum() const { return minimum_; }           ///< of finite values; infinity when there are none
  float maximum() const { return maximum_; }

  /// Width of a bin; 0 while all values are 0 (then they are in bin kBinsPerSign).
  double width() const { return width_; }
  /// [2 * kBinsPerSign]: bin i covers [(i - kBinsPerSign) * width, (i + 1 - kBinsPerSign) * width).
  std::span<const uint64_t> bins() const { return bins_; }
  double center(size_t bin) const { return (static_cast<double>(bin) - kBinsPerSign + 0.5) * width_; }

 private:
  void reach(float magnitude);

  std::vector<uint64_t> bins_ = std::vector<uint64_t>(2 * kBinsPerSign);
  double width_ = 0;
  uint64_t count_ = 0, not_finite_ = 0;
  float minimum_ = std::numeric_limits<float>::infinity();
  float maximum_ = -std::numeric_limits<float>::infinity();
};

}  // namespace halftone
