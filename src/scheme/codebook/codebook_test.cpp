#include "scheme/codebook/codebook.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

#include "scheme/codebook/nearest.h"

namespace halftone {
namespace {

TEST(Nf4, CodeBookFollowsFromTheNormalDistribution) {
  // QLoRA's construction: 8 negative and 9 positive equally spaced probabilities up to 0.9677083, through the
  // quantile function of the normal distribution, both halves normalised by the largest.
  auto normal_quantile = [](double p) {
    double low = -10, high = 10;
    while (high - low > 1e-14) {
      const double middle = (low + high) / 2;
      (std::erfc(-middle / std::sqrt(2.0)) / 2 < p ? low : high) = middle;
    }
    return low;
  };
  const double top = 0.9677083;
  std::vector<double> entries{0};
  for (int i = 0; i < 8; ++i) entries.push_back(normal_quantile(top + (0.5 - top) * i / 8));
  for (int i = 0; i < 7; ++i) entries.push_back(-normal_quantile(top + (0.5 - top) * i / 7));
  std::sort(entries.begin(), entries.end());
  const auto book = nf4_codebook();
  ASSERT_EQ(entries.size(), book.size());
  for (size_t i = 0; i < 16; ++i) EXPECT_NEAR(entries[i] / normal_quantile(top), double{book[i]}, 1e-6);
}

TEST(Nf4, WorkedExample) {
  const std::vector<float> values{-5, 3, 16, 8};
  const NumberFormat& format = *find_number_format("nf4");
  const CodeParams params = format.fit(values, true);
  EXPECT_EQ(params.scale, 16);
  std::vector<uint8_t> codes(4);
  std::vector<float> back(4);
  format.encode(values, params, codes);
  format.decode(codes, params, back);
  EXPECT_EQ(codes, (std::vector<uint8_t>{4, 9, 15, 12}));
  const float expected[] = {-4.551062f, 2.574883f, 16, 7.051357f};
  for (size_t i = 0; i < 4; ++i) EXPECT_FLOAT_EQ(back[i], expected[i]);
}

TEST(Nf4, ZeroScaleGivesTheCodeOfZero) {
  const std::vector<float> values(5, 0.0f);
  std::vector<uint8_t> codes(5, 99);
  CodeParams params;
  params.scale = 0;
  find_number_format("nf4")->encode(values, params, codes);
  EXPECT_EQ(codes, std::vector<uint8_t>(5, 7));
}

TEST(Nearest, EqualsExhaustiveSearch) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(-1.2f, 1.2f);
  for (size_t size : {1u, 2u, 16u, 17u, 256u}) {
    std::vector<float> book(size);
    for (float& entry : book) entry = uniform(random);
    std::sort(book.begin(), book.end());
    std::vector<float> values(203);
    for (float& x : values) x = uniform(random) * 0.3f;
    std::vector<uint8_t> codes(values.size());
    nearest_codes(values, 0.3f, book, codes);
    for (size_t i = 0; i < values.size(); ++i) {
      const float x = values[i] / 0.3f;
      float best = 10;
      for (float entry : book) best = std::min(best, std::abs(entry - x));
      EXPECT_NEAR(std::abs(book[codes[i]] - x), best, 1e-6f);
    }
  }
}

TEST(Quantile, EntriesAreMiddlesOfEquallyFullBins) {
  const NumberFormat& format = *find_number_format("quantile4");
  ASSERT_TRUE(format.has_tensor_codebook());
  std::vector<float> uniform(1601);
  for (size_t i = 0; i < uniform.size(); ++i) uniform[i] = -1 + static_cast<float>(i) / 800;
  const auto book = format.make_codebook(uniform);
  ASSERT_EQ(book.size(), 16u);
  for (size_t i = 0; i < 16; ++i) EXPECT_NEAR(book[i], -1 + (static_cast<float>(i) + 0.5f) / 8, 1e-6f);
  EXPECT_EQ(format.make_codebook({}), std::vector<float>(16, 0.0f));
}

TEST(Quantile, FitsASkewedDistributionBetterThanNf4) {
  std::mt19937 random(4);
  std::exponential_distribution<float> exponential(6);
  std::vector<float> values(4096);
  for (float& x : values) x = std::min(1.0f, exponential(random));
  const auto book = find_number_format("quantile4")->make_codebook(values);
  auto error = [&](const NumberFormat& format, const CodeParams& params) {
    std::vector<uint8_t> codes(values.size());
    std::vector<float> back(values.size());
    format.encode(values, params, codes);
    format.decode(codes, params, back);
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += std::abs(values[i] - back[i]);
    return sum;
  };
  CodeParams own;
  own.codebook = book;
  EXPECT_LT(error(*find_number_format("quantile4"), own), error(*find_number_format("nf4"), CodeParams{}));
}

}  // namespace
}  // namespace halftone
