#include "ops/attention_gradient/attention_gradient.h"

#include <cmath>
#include <gtest/gtest.h>

#include "base/error.h"
#include "op_run.h"

namespace halftone {
namespace {

// Two keys with equal scores: P = 1/2 each; dV = dY / 2, dP = [1, 3], ds = [-1/2, 1/2] (scale 1).
TEST(AttentionGradient, WorkedExample) {
  OpRun op(attention_gradient_schema(), {{"scale", 1.0f}});
  op.input(Tensor::from<float>({1, 1, 1, 1}, {1}))
      .input(Tensor::from<float>({1, 1, 1, 1}, {4}))
      .input(Tensor::from<float>({1, 1, 2, 1}, {2, 2}))
      .input(Tensor::from<float>({1, 1, 2, 1}, {1, 3}));
  const std::vector<Tensor> made = op.reference();
  EXPECT_EQ(floats(made[0]), (std::vector<float>{0}));
  EXPECT_EQ(floats(made[1]), (std::vector<float>{-2, 2}));
  EXPECT_EQ(floats(made[2]), (std::vector<float>{0.5f, 0.5f}));
}

/// The first query sees the first key, whose score is NaN beside it, the second sees none.
TEST(AttentionGradient, WhatIsMaskedHasNoPart) {
  OpRun op(attention_gradient_schema(), {{"scale", 1.0f}});
  op.input(Tensor::from<float>({1, 1, 2, 1}, {5, 7}))
      .input(Tensor::from<float>({1, 1, 2, 1}, {4, 6}))
      .input(Tensor::from<float>({1, 1, 2, 1}, {2, NAN}))
      .input(Tensor::from<float>({1, 1, 2, 1}, {1, 3}))
      .input(Tensor::from<float>({2, 2}, {0, -HUGE_VALF, -HUGE_VALF, -HUGE_VALF}));
  const std::vector<Tensor> made = op.reference();
  EXPECT_EQ(floats(made[0]), (std::vector<float>{0, 0}));
  EXPECT_EQ(floats(made[1]), (std::vector<float>{0, 0}));
  EXPECT_EQ(floats(made[2]), (std::vector<float>{5, 0}));
}

TEST(AttentionGradient, RefusesAGradientOfAnotherShape) {
  OpRun op(attention_gradient_schema());
  op.type(DType::f32, {1, 1, 3, 4}).type(DType::f32, {1, 1, 3, 4});
  op.type(DType::f32, {1, 1, 5, 4}).type(DType::f32, {1, 1, 5, 2});
  EXPECT_THROW(op.site(), InputError);
}

}  // namespace
}  // namespace halftone
