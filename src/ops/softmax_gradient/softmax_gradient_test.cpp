#include "ops/softmax_gradient/softmax_gradient.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "op_run.h"

namespace halftone {
namespace {

TEST(SoftmaxGradient, WorkedExample) {
  // Y = [1/4, 3/4], gradient [1, 2]: the mean gradient is 7/4.
  OpRun op(softmax_gradient_schema());
  op.input(Tensor::from<float>({1, 2}, {1, 2})).input(Tensor::from<float>({1, 2}, {0.25f, 0.75f}));
  const Tensor dx = op.reference()[0];
  EXPECT_EQ(floats(dx), (std::vector<float>{-0.1875f, 0.1875f}));
}

TEST(SoftmaxGradient, RefusesShapesThatDiffer) {
  OpRun op(softmax_gradient_schema());
  op.type(DType::f32, {2, 3}).type(DType::f32, {3, 2});
  EXPECT_THROW(op.site(), InputError);
}

}  // namespace
}  // namespace halftone
