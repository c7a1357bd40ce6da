#include "ops/gather_gradient/gather_gradient.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "op_run.h"

namespace halftone {
namespace {

TEST(GatherGradient, RowsAddUpAndStrayIndicesAddNothing) {
  OpRun op(gather_gradient_schema());
  op.input(Tensor::from<float>({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8}));
  op.input(Tensor::from<int64_t>({4}, {2, -3, 2, 9})).input(Tensor::zeros(DType::f32, {3, 2}));
  EXPECT_EQ(floats(op.reference()[0]), (std::vector<float>{3, 4, 0, 0, 6, 8}));
}

TEST(GatherGradient, ShapeRule) {
  OpRun op(gather_gradient_schema(), {{"axis", int64_t{1}}});
  op.type(DType::f32, {2, 3, 4, 5}).type(DType::i64, {3, 4}).type(DType::f32, {2, 7, 5});
  EXPECT_EQ(op.site().outputs[0].shape, Shape({2, 7, 5}));
  OpRun bad(gather_gradient_schema(), {{"axis", int64_t{1}}});
  bad.type(DType::f32, {2, 3, 4, 5}).type(DType::i64, {3, 3}).type(DType::f32, {2, 7, 5});
  EXPECT_THROW(bad.site(), InputError);
}

}  // namespace
}  // namespace halftone
