#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace halftone {

/// The values that codes are to cover; low <= 0 <= high, since 0 must have a code.
struct ClipRange {
  float low = 0;
  float high = 0;
  friend bool operator==(const ClipRange&, const ClipRange&) = default;
};

/// How a clip range is chosen.
struct ObserverOptions {
  /// - "minmax": all that was seen;
  /// - "moving-average": minimum and maximum of each call of see(), averaged with weight `momentum` of the
  ///   new ones (PyTorch's MovingAverageMinMaxObserver);
  /// - "percentile": all but (100 - percentile) / 2 percent at either end that there are values at;
  /// - "mse": the range whose 256 codes leave the smallest mean |error|^norm;
  /// - "entropy": the symmetric range whose codes keep the distribution of magnitudes best, by KL divergence
  ///   (NVIDIA's calibrator: 128 levels of magnitude, 256 of values without sign; outliers count in the last
  ///   bin of the reference only, and the last minimum wins), cut to what was seen;
  /// - "search": percentile (99.99 unless said otherwise), percentile 99.999, mse and minmax, of which who
  /// knows
  ///   what a range does to the model takes the best; the first where nobody does.
  std::string method = "mse";
  double momentum = 0.01;
  double percentile = 99.99;
  double norm = 2.0;
  /// Codes are as many above as below 0, so the range is [-high, high].
  bool symmetric = false;

  friend bool operator==(const ObserverOptions&, const ObserverOptions&) = default;
};

/// Sees the values of one tensor over a stream of calls (one a sample) and says what range to cover.
class RangeObserver {
 public:
  virtual ~RangeObserver() = default;
  virtual void see(std::span<const float> values) = 0;
  /// {0, 0} when nothing was seen. InputError when a value was NaN or infinite.
  virtual ClipRange range() const = 0;
  /// The ranges to choose among, range() first; by kCandidates for "search", else range() alone.
  virtual std::vector<ClipRange> candidates() const { return {range()}; }
};

/// What "search" chooses among.
inline constexpr std::array<std::string_view, 4> kCandidates{"percentile", "percentile 99.999", "mse",
                                                             "minmax"};

/// Throws UsageError for an unknown method, with the nearest.
std::unique_ptr<RangeObserver> make_range_observer(const ObserverOptions& options);
const std::vector<std::string>& observer_methods();

}  // namespace halftone
