#include "ops/normalization_gradient/normalization_gradient.h"

#include <gtest/gtest.h>
#include <numeric>

#include "base/error.h"
#include "op_run.h"

namespace halftone {
namespace {

// The quotient does not change when x is scaled (and, centered, shifted), so the gradient is at right angles
// to x (and sums to 0) when epsilon is nothing beside x.
TEST(NormalizationGradient, IsAtRightAnglesToWhatTheQuotientIgnores) {
  for (int64_t centered : {0, 1}) {
    const Tensor x = random_tensor({5, 33}, 1);
    OpRun op(normalization_gradient_schema(), {{"centered", centered}, {"epsilon", 1e-12f}});
    op.input(random_tensor({5, 33}, 2)).input(x);
    const Tensor dx = op.reference()[0];
    for (size_t row = 0; row < 5; ++row) {
      const auto d = dx.span<float>().subspan(row * 33, 33), values = x.span<float>().subspan(row * 33, 33);
      EXPECT_NEAR(std::inner_product(d.begin(), d.end(), values.begin(), 0.0), 0, 2e-5);
      if (centered) EXPECT_NEAR(std::accumulate(d.begin(), d.end(), 0.0), 0, 2e-5);
    }
  }
}

TEST(NormalizationGradient, RefusesShapesThatDiffer) {
  OpRun op(normalization_gradient_schema());
  op.type(DType::f32, {2, 3}).type(DType::f32, {3});
  EXPECT_THROW(op.site(), InputError);
}

}  // namespace
}  // namespace halftone
