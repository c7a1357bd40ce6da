#include "quant/calib/range_observer.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

#include "base/error.h"
#include "quant/calib/clip_search.h"

namespace halftone {
namespace {

std::vector<float> normal_values(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& x : values) x = normal(random);
  return values;
}

ClipRange observe(const ObserverOptions& options, const std::vector<std::vector<float>>& calls) {
  const auto observer = make_range_observer(options);
  for (const auto& values : calls) observer->see(values);
  return observer->range();
}

TEST(ValueHistogram, DoesNotDependOnTheOrder) {
  std::vector<float> values = normal_values(5000, 1);
  values.push_back(37.5f);
  values.push_back(-0.0f);
  ValueHistogram forward, backward;
  for (float x : values) forward.add({&x, 1});
  std::reverse(values.begin(), values.end());
  backward.add(values);
  EXPECT_EQ(forward.width(), 64.0 / ValueHistogram::kBinsPerSign);
  EXPECT_EQ(backward.width(), forward.width());
  EXPECT_TRUE(std::equal(forward.bins().begin(), forward.bins().end(), backward.bins().begin()));
  EXPECT_EQ(forward.count(), 5002u);
  EXPECT_EQ(forward.maximum(), 37.5f);
}

TEST(ValueHistogram, BinsHoldWhatTheyCover) {
  ValueHistogram histogram;
  histogram.add(std::vector<float>{-1.0f, -0.25f, 0.0f, 0.99f});
  const double width = histogram.width();
  EXPECT_EQ(width, 2.0 / ValueHistogram::kBinsPerSign);
  for (float x : {-1.0f, -0.25f, 0.0f, 0.99f}) {
    const auto bin = static_cast<size_t>(std::floor(x / width) + ValueHistogram::kBinsPerSign);
    EXPECT_EQ(histogram.bins()[bin], 1u) << x;
    EXPECT_LE(std::fabs(histogram.center(bin) - x), width / 2) << x;
  }
}

TEST(RangeObserver, SearchOffersWhatOthersTake) {
  std::vector<float> values = normal_values(50000, 3);
  values.push_back(90.0f);
  const auto observer = make_range_observer({.method = "search"});
  EXPECT_EQ(observer->candidates(), std::vector<ClipRange>{ClipRange{}});
  observer->see(values);
  const std::vector<ClipRange> candidates = observer->candidates();
  ASSERT_EQ(candidates.size(), kCandidates.size());
  EXPECT_EQ(candidates[0], observe({.method = "percentile"}, {values}));
  EXPECT_EQ(candidates[0], observer->range());
  EXPECT_EQ(candidates[1], observe({.method = "percentile", .percentile = 99.999}, {values}));
  EXPECT_EQ(candidates[2], observe({.method = "mse"}, {values}));
  EXPECT_EQ(candidates[3], observe({.method = "minmax"}, {values}));
  EXPECT_LT(candidates[0].high, 10);
  EXPECT_EQ(candidates[3].high, 90);
}

TEST(RangeObserver, MinMaxCoversAllAndZero) {
  EXPECT_EQ(observe({.method = "minmax"}, {{0.5f, 2.0f}, {1.0f, -0.25f}}), (ClipRange{-0.25f, 2.0f}));
  EXPECT_EQ(observe({.method = "minmax"}, {{0.5f, 2.0f}}), (ClipRange{0.0f, 2.0f}));
  EXPECT_EQ(observe({.method = "minmax"}, {{-3.0f}}), (ClipRange{-3.0f, 0.0f}));
  EXPECT_EQ(observe({.method = "minmax", .symmetric = true}, {{-3.0f, 1.0f}}), (ClipRange{-3.0f, 3.0f}));
}

TEST(RangeObserver, MovingAverageWeighsEachCall) {
  const ClipRange range =
      observe({.method = "moving-average", .momentum = 0.25}, {{-1.0f, 1.0f}, {-3.0f, 2.0f}, {0.0f, 6.0f}});
  EXPECT_FLOAT_EQ(range.low, (-1.0f * 0.75f - 3.0f * 0.25f) * 0.75f);
  EXPECT_FLOAT_EQ(range.high, (1.0f * 0.75f + 2.0f * 0.25f) * 0.75f + 6.0f * 0.25f);
}

TEST(RangeObserver, PercentileIsTheSortedValuesOwn) {
  std::vector<float> values = normal_values(200000, 2);
  const ClipRange range = observe({.method = "percentile", .percentile = 99.0}, {values});
  std::sort(values.begin(), values.end());
  EXPECT_NEAR(range.low, values[1000], 0.02f);
  EXPECT_NEAR(range.high, values[199000], 0.02f);
}

TEST(RangeObserver, MseBeatsEveryOtherRangeOnTheValuesThemselves) {
  std::mt19937 random(3);
  std::exponential_distribution<float> tail;
  std::vector<float> values(50000);
  for (float& x : values) x = random() % 4 ? tail(random) : -0.2f * tail(random);
  const auto plain_error = [&](const ClipRange& range) {
    const double scale = (double{range.high} - range.low) / 255;
    const double zero = std::nearbyint(-range.low / scale);
    double sum = 0;
    for (double x : values) {
      const double code = std::clamp(std::nearbyint(x / scale) + zero, 0.0, 255.0);
      sum += std::pow(x - (code - zero) * scale, 2);
    }
    return sum / static_cast<double>(values.size());
  };
  const ClipRange best = observe({.method = "mse"}, {values});
  const ClipRange all = observe({.method = "minmax"}, {values});
  EXPECT_LT(best.high, all.high);
  for (float low : {0.5f, 0.7f, 0.9f, 1.0f})
    for (float high : {0.5f, 0.6f, 0.7f, 0.8f, 0.9f, 1.0f})
      EXPECT_LE(plain_error(best), 1.01 * plain_error({all.low * low, all.high * high}))
          << low << " " << high;
}

TEST(RangeObserver, ALargerNormClipsLess) {
  const std::vector<float> values = normal_values(100000, 4);
  const ClipRange square = observe({.method = "mse", .norm = 2.0, .symmetric = true}, {values});
  const ClipRange higher = observe({.method = "mse", .norm = 4.0, .symmetric = true}, {values});
  EXPECT_LT(square.high, higher.high);
  EXPECT_EQ(square.low, -square.high);
}

TEST(RangeObserver, EntropyClipsARareOutlierAndKeepsAFlatRange) {
  std::vector<float> values = normal_values(100000, 5);
  values.push_back(40.0f);
  const ClipRange cut = observe({.method = "entropy"}, {values});
  EXPECT_GT(cut.high, 2.0f);
  EXPECT_LT(cut.high, 10.0f);
  EXPECT_GE(cut.low, -cut.high);

  std::vector<float> flat;
  for (int i = 0; i < 100000; ++i) flat.push_back(static_cast<float>(i) / 100000);
  EXPECT_GT(observe({.method = "entropy"}, {flat}).high, 0.95f);
}

TEST(RangeObserver, NothingSeenAndNothingButZero) {
  for (const std::string& method : observer_methods()) {
    EXPECT_EQ(observe({.method = method}, {}), ClipRange{}) << method;
    EXPECT_EQ(observe({.method = method}, {{0.0f, 0.0f}}), ClipRange{}) << method;
  }
}

TEST(RangeObserver, RefusesWhatIsNotFinite) {
  for (const std::string& method : observer_methods())
    EXPECT_THROW(observe({.method = method}, {{1.0f, std::nanf("")}}), InputError) << method;
  EXPECT_THROW(make_range_observer({.method = "mean"}), UsageError);
}

}  // namespace
}  // namespace halftone
