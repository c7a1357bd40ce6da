#include "scheme/double_quant/double_quant.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <vector>

#include "shared_files.h"

namespace halftone {
namespace {

TEST(DoubleQuant, CodeBookIsThatOfBitsandbytes) {
  std::ifstream golden(source_path("src/scheme/testdata/bitsandbytes_dynamic_codebook.txt"));
  const auto book = dynamic_codebook();
  float expected;
  size_t count = 0;
  for (; golden >> expected; ++count) {
    ASSERT_LT(count, book.size());
    EXPECT_NEAR(book[count], expected, 1.2e-7f * std::abs(expected)) << count;
  }
  EXPECT_EQ(count, book.size());
}

TEST(DoubleQuant, ScalesComeBackWithinHalfAStepOfTheirBlock) {
  std::mt19937 random(5);
  std::lognormal_distribution<float> lognormal(-3, 0.5f);
  for (size_t count : {0u, 1u, 255u, 256u, 257u, 1000u}) {
    std::vector<float> scales(count), back(count);
    for (float& scale : scales) scale = lognormal(random);
    const auto nested = nest_scales(scales, 256);
    unnest_scales(nested, 256, 0, back);
    const auto absmax = nested.absmax.span<float>();
    // The widest gap of the code book is 0.1 .. -0.1 aside: 0.9 / 64, and 0.0162 between neighbours of
    // powers.
    for (size_t i = 0; i < count; ++i)
      EXPECT_LE(std::abs(scales[i] - back[i]), 0.0085f * absmax[i / 256]) << i << " of " << count;
    if (count > 3) {
      float one;
      unnest_scales(nested, 256, 3, {&one, 1});
      EXPECT_EQ(one, back[3]);
    }
  }
}

TEST(DoubleQuant, EqualScalesAreExact) {
  const std::vector<float> scales(300, 0.125f);
  std::vector<float> back(300);
  unnest_scales(nest_scales(scales, 256), 256, 0, back);
  EXPECT_EQ(back, scales);
}

}  // namespace
}  // namespace halftone
