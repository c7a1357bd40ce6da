#include "quant/algo/awq/awq.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

#include "quant/algo/awq/clip_search.h"
#include "quant/algo/awq/factored_rounding.h"
#include "quant/algo/awq/scale_candidates.h"
#include "quant/structure/channel_factors.h"

namespace halftone {
namespace {

TEST(AwqCandidates, AreTheFormulasOfThePeers) {
  const std::vector<float> x = {0.01f, 0.5f, 4, 0}, w = {0.5f, 0.25f, 0.1f, 0.3f};
  const auto all = awq_candidates(x, w);
  ASSERT_EQ(all.size(), 1u + 19 + 20);
  EXPECT_EQ(all[0], std::vector<float>(4, 1.0f));
  // r = 10/20 of the first form: sqrt(x) over sqrt(0.1 * 2).
  const double middle = std::sqrt(0.2);
  EXPECT_NEAR(all[10][0], 0.1 / middle, 1e-6);
  EXPECT_NEAR(all[10][2], 2 / middle, 1e-5);
  // r = 0 of the second: 1 / (w + 1e-4).
  const double low = 1 / 0.5001, high = 1 / 0.1001;
  EXPECT_NEAR(all[20][1], 1 / 0.2501 / std::sqrt(low * high), 1e-4);
  for (const auto& factors : all) EXPECT_EQ(factors[3], 1);  // always 0
  // Clamped at 1e-4.
  EXPECT_NEAR(awq_candidates(std::vector<float>{1e-8f, 1}, {})[19][0], 1e-4 / std::sqrt(1e-4), 1e-5);
}

TEST(AwqFactors, RoundInPiecesAsAWhole) {
  ThreadPool threads(2);
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  Tensor weights = Tensor::allocate(DType::bf16, {70, 40});
  std::vector<float> values(70 * 40), factors(40);
  for (float& w : values) w = normal(random);
  for (float& f : factors) f = std::exp(normal(random));
  store_floats(values, weights.mutable_view(), 0);
  for (const Granularity& granularity :
       {Granularity::per_group(16), Granularity::per_axis(0), Granularity::per_tensor()})
    for (const int64_t nested : {0, 16}) {
      if (nested && granularity.kind != Granularity::Kind::per_group) continue;
      Encoding encoding;
      encoding.format = find_number_format(nested ? "nf4" : "int4");
      encoding.granularity = granularity;
      encoding.symmetric = nested != 0;
      encoding.double_quant_block = nested;
      const Tensor made = round_under_factors(Constant(weights), encoding, 1, factors, "w", threads);
      const Tensor scaled = scaled_constant(Constant(weights), 1, factors).load();
      const Tensor back = quantize(scaled.view(), encoding, "w").decode();
      for (size_t i = 0; i < values.size(); ++i)
        ASSERT_EQ(made.span<float>()[i], back.span<float>()[i] * (1 / factors[i % 40])) << i;
    }
}

TEST(AwqCandidates, WeightsCountAsSharesOfTheirGroup) {
  WeightMagnitudes magnitudes(4);
  magnitudes.add_weights(Tensor::from<float>({1, 4}, {1, -2, 0, 3}), false, 2);
  magnitudes.add_weights(Tensor::from<float>({4, 1}, {1, 1, 0, 0}), true, 4);
  EXPECT_EQ(magnitudes.means(), (std::vector<float>{0.75f, 1, 0, 0.5f}));
}

/// The search as it is written down: each group's part of the output on the inputs themselves, in double.
TEST(AwqClips, AreThoseOfThePlainSearch) {
  ThreadPool threads(2);
  const int64_t n = 40, outputs = 21, rows = 60, group = 16;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  Tensor weights = Tensor::allocate(DType::f32, {outputs, n});
  for (float& w : weights.mutable_view().span<float>())
    w = normal(random) * (random() % 20 == 0 ? 4.0f : 1.0f);
  std::vector<float> x(static_cast<size_t>(rows * n));
  for (float& value : x) value = normal(random);
  for (bool symmetric : {true, false}) {
    Encoding encoding;
    encoding.format = find_number_format("int4");
    encoding.granularity = Granularity::per_group(group);
    encoding.symmetric = symmetric;
    GroupGrams grams(n, group);
    grams.add(matrix(x.data(), rows, n), threads);
    const Tensor found = search_clips(weights, encoding, grams, "w", threads)->decode();

    int same = 0, groups = 0;
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t first = 0; first < n; first += group, ++groups) {
        const int64_t count = std::min(group, n - first);
        const auto w =
            weights.span<float>().subspan(static_cast<size_t>(o * n + first), static_cast<size_t>(count));
        double least = 1e300;
        std::vector<float> best;
        for (int step = 0; step < 10; ++step) {
          const float limit = (1 - static_cast<float>(step) / 20) * value_range(w).absmax();
          Tensor clamped = Tensor::allocate(DType::f32, {1, count});
          for (size_t i = 0; i < w.size(); ++i)
            clamped.mutable_view().span<float>()[i] = std::clamp(w[i], -limit, limit);
          const Tensor back = quantize(clamped.view(), encoding, "w").decode();
          double error = 0;
          for (int64_t r = 0; r < rows; ++r) {
            double change = 0;
            for (size_t i = 0; i < w.size(); ++i)
              change += double{x[static_cast<size_t>(r * n + first) + i]} *
                        (double{back.span<float>()[i]} - double{w[i]});
            error += change * change;
          }
          if (error >= least) continue;
          least = error;
          best.assign(back.span<float>().begin(), back.span<float>().end());
        }
        const auto here = found.span<float>().subspan(static_cast<size_t>(o * n + first), best.size());
        same += std::equal(best.begin(), best.end(), here.begin());
      }
    EXPECT_GE(same, groups - 1);  // two clips may be as good to the precision of f32
  }
}

}  // namespace
}  // namespace halftone
