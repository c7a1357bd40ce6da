#include "quant/calib/clip_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace halftone {

float quantile(const ValueHistogram& histogram, double share) {
  const double wanted = share * static_cast<double>(histogram.count());
  double below = 0;
  for (size_t i = 0; i < histogram.bins().size(); ++i) {
    const double here = static_cast<double>(histogram.bins()[i]);
    if (here == 0 || below + here < wanted) {
      below += here;
      continue;
    }
    const double left = histogram.center(i) - histogram.width() / 2;
    const double value = left + histogram.width() * std::max(0.0, wanted - below) / here;
    return std::clamp(static_cast<float>(value), histogram.minimum(), histogram.maximum());
  }
  return histogram.maximum();
}

double clip_error(const ValueHistogram& histogram, const ClipRange& range, double norm, bool symmetric) {
  const double scale = symmetric ? range.high / 127.0 : (double{range.high} - range.low) / 255;
  if (!(scale > 0)) return std::numeric_limits<double>::infinity();
  const double zero = symmetric ? 128 : std::nearbyint(-range.low / scale);
  const double lowest = symmetric ? 1 - zero : -zero, highest = 255 - zero;
  double error = 0;
  for (size_t i = 0; i < histogram.bins().size(); ++i) {
    if (histogram.bins()[i] == 0) continue;
    const double x = histogram.center(i);
    const double code = std::clamp(std::nearbyint(x / scale), lowest, highest);
    const double miss = std::fabs(x - code * scale);
    error += static_cast<double>(histogram.bins()[i]) * (norm == 2 ? miss * miss : std::pow(miss, norm));
  }
  return error / static_cast<double>(histogram.count());
}

ClipRange least_error_range(const ValueHistogram& histogram, const ClipRange& all, double norm,
                            bool symmetric) {
  ClipRange best = all;
  double least = clip_error(histogram, best, norm, symmetric);
  auto try_range = [&](const ClipRange& range) {
    const double error = clip_error(histogram, range, norm, symmetric);
    if (error >= least) return false;
    least = error;
    best = range;
    return true;
  };
  for (bool moved = true; moved;) {
    moved = false;
    for (int percent = 99; percent >= 20; --percent) {
      const float share = static_cast<float>(percent) / 100;
      const float high = all.high * share;
      moved |= try_range({symmetric ? -high : best.low, high});
    }
    for (int percent = 99; percent >= 20 && !symmetric; --percent)
      moved |= try_range({all.low * static_cast<float>(percent) / 100, best.high});
  }
  return best;
}

namespace {

/// KL divergence of the first `count` bins, those above added to the last, from the same bins seen through
/// `levels` codes of equal width. Infinite where only the reference has values.
double divergence(const std::vector<double>& bins, size_t count, size_t levels) {
  std::vector<double> mean(levels), occupied(levels);
  const auto level_of = [&](size_t bin) { return bin * levels / count; };
  for (size_t i = 0; i < count; ++i) {
    if (bins[i] == 0) continue;
    mean[level_of(i)] += bins[i];
    ++occupied[level_of(i)];
  }
  double outliers = 0, total = 0, kept = 0;
  for (size_t i = 0; i < bins.size(); ++i) {
    total += bins[i];
    (i < count ? kept : outliers) += bins[i];
  }
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    const double p = (bins[i] + (i + 1 == count ? outliers : 0)) / total;
    if (p == 0) continue;
    if (bins[i] == 0) return std::numeric_limits<double>::infinity();
    const double q = mean[level_of(i)] / occupied[level_of(i)] / kept;
    sum += p * std::log(p / q);
  }
  return sum;
}

}  // namespace

float least_divergence_limit(const ValueHistogram& histogram) {
  constexpr size_t kHalf = ValueHistogram::kBinsPerSign;
  const bool has_sign = histogram.minimum() < 0;
  const double largest =
      std::max(std::fabs(double{histogram.minimum()}), std::fabs(double{histogram.maximum()}));
  // 1025 to 2048 bins: the upper half of a sign's bins is in use, at least in part.
  const size_t used = std::min(kHalf, static_cast<size_t>(largest / histogram.width()) + 1);
  const size_t merge = used > kHalf / 2 ? 2 : 1;
  std::vector<double> magnitudes((used + merge - 1) / merge);
  for (size_t i = 0; i < used; ++i)
    magnitudes[i / merge] += static_cast<double>(histogram.bins()[kHalf + i]) +
                             static_cast<double>(histogram.bins()[kHalf - 1 - i]);
  if (magnitudes.size() > 1) magnitudes[0] = magnitudes[1];  // zeros say nothing about where to clip

  const size_t levels = has_sign ? 128 : 256;
  double least = std::numeric_limits<double>::infinity();
  size_t best = magnitudes.size();
  for (size_t count = std::min(levels, best); count <= magnitudes.size(); ++count) {
    const double here = divergence(magnitudes, count, levels);
    if (here > least) continue;
    least = here;
    best = count;
  }
  return static_cast<float>(static_cast<double>(best * merge) * histogram.width());
}

}  // namespace halftone
