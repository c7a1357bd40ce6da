#include "quant/calib/range_observer.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/suggest.h"
#include "quant/calib/clip_search.h"

namespace halftone {
namespace {

ClipRange with_zero(float low, float high, bool symmetric) {
  ClipRange range{std::min(low, 0.0f), std::max(high, 0.0f)};
  if (symmetric) {
    range.high = std::max(-range.low, range.high);
    range.low = -range.high;
  }
  return range;
}

[[noreturn]] void refuse_not_finite(uint64_t count) {
  throw InputError("calibration saw {} values that are NaN or infinite", count);
}

class MovingAverage final : public RangeObserver {
 public:
  explicit MovingAverage(const ObserverOptions& options) : options_(options) {}

  void see(std::span<const float> values) override {
    ValueHistogram batch;
    batch.add(values);
    not_finite_ += batch.not_finite();
    if (batch.count() == 0) return;
    const double momentum = seen_ ? options_.momentum : 1;
    low_ += momentum * (batch.minimum() - low_);
    high_ += momentum * (batch.maximum() - high_);
    seen_ = true;
  }
  ClipRange range() const override {
    if (not_finite_) refuse_not_finite(not_finite_);
    return with_zero(static_cast<float>(low_), static_cast<float>(high_), options_.symmetric);
  }

 private:
  ObserverOptions options_;
  double low_ = 0, high_ = 0;
  bool seen_ = false;
  uint64_t not_finite_ = 0;
};

class FromHistogram final : public RangeObserver {
 public:
  explicit FromHistogram(const ObserverOptions& options) : options_(options) {}

  void see(std::span<const float> values) override { histogram_.add(values); }
  ClipRange range() const override {
    if (histogram_.not_finite()) refuse_not_finite(histogram_.not_finite());
    if (histogram_.count() == 0) return {};
    const ClipRange all = whole();
    if (histogram_.width() == 0 || options_.method == "minmax") return all;
    if (options_.method == "percentile" || options_.method == "search")
      return percentile(all, options_.percentile);
    if (options_.method == "mse") return least_error(all);
    const float limit = least_divergence_limit(histogram_);
    return {std::max(all.low, -limit), std::min(all.high, limit)};
  }

  std::vector<ClipRange> candidates() const override {
    const ClipRange first = range();
    if (options_.method != "search" || histogram_.count() == 0 || histogram_.width() == 0) return {first};
    const ClipRange all = whole();
    return {first, percentile(all, 99.999), least_error(all), all};
  }

 private:
  ClipRange whole() const {
    return with_zero(histogram_.minimum(), histogram_.maximum(), options_.symmetric);
  }
  ClipRange least_error(const ClipRange& all) const {
    return least_error_range(histogram_, all, options_.norm, options_.symmetric);
  }
  ClipRange percentile(const ClipRange& all, double percent) const {
    const double tail = (1 - percent / 100) / 2;
    const ClipRange cut =
        with_zero(quantile(histogram_, tail), quantile(histogram_, 1 - tail), options_.symmetric);
    return {std::max(all.low, cut.low), std::min(all.high, cut.high)};
  }

  ObserverOptions options_;
  ValueHistogram histogram_;
};

}  // namespace

const std::vector<std::string>& observer_methods() {
  static const std::vector<std::string> methods = {"minmax", "moving-average", "percentile",
                                                   "mse",    "entropy",        "search"};
  return methods;
}

std::unique_ptr<RangeObserver> make_range_observer(const ObserverOptions& options) {
  const auto& methods = observer_methods();
  if (std::find(methods.begin(), methods.end(), options.method) == methods.end())
    throw UsageError("no observer \"{}\"{}", options.method, did_you_mean(options.method, methods));
  if (options.method == "moving-average") return std::make_unique<MovingAverage>(options);
  return std::make_unique<FromHistogram>(options);
}

}  // namespace halftone
