#include "ops/non_max_suppression/non_max_suppression.h"

#include <gtest/gtest.h>

#include "op_run.h"

namespace halftone {
namespace {

/// Three boxes in a row; the first two overlap by 9 / 11.
Tensor selected(std::vector<float> scores, int64_t most, float overlap, std::optional<float> least = {},
                Attributes attributes = {}) {
  OpRun run(non_max_suppression_schema(), std::move(attributes));
  run.constant(Constant(Tensor::from<float>({1, 3, 4}, {0, 0, 1, 10, 0, 1, 1, 11, 1, 30, 0, 20})));
  run.constant(Constant(Tensor::from<float>({1, static_cast<int64_t>(scores.size() / 3), 3}, scores)));
  run.ints({most}).constant(Constant(Tensor::from<float>({1}, {overlap})));
  if (least) run.constant(Constant(Tensor::from<float>({}, {*least})));
  return run.reference()[0];
}

TEST(NonMaxSuppression, KeepsTheBestOfWhatOverlaps) {
  EXPECT_EQ(values<int64_t>(selected({0.8f, 0.9f, 0.5f}, 3, 0.5f)), (std::vector<int64_t>{0, 0, 1, 0, 0, 2}));
  EXPECT_EQ(selected({0.8f, 0.9f, 0.5f}, 3, 0.9f).shape(), (Shape{3, 3}));
  EXPECT_EQ(values<int64_t>(selected({0.8f, 0.9f, 0.5f}, 1, 0.5f)), (std::vector<int64_t>{0, 0, 1}));
  EXPECT_EQ(selected({0.8f, 0.9f, 0.5f}, 0, 0.5f).shape(), (Shape{0, 3}));
  EXPECT_EQ(values<int64_t>(selected({0.7f, 0.7f, 0.2f}, 3, 0.5f, 0.2f)), (std::vector<int64_t>{0, 0, 0}));
}

TEST(NonMaxSuppression, GoesClassByClass) {
  EXPECT_EQ(values<int64_t>(selected({0.8f, 0.9f, 0, 0.6f, 0.1f, 0.7f}, 1, 0.5f)),
            (std::vector<int64_t>{0, 0, 1, 0, 1, 2}));
}

TEST(NonMaxSuppression, DoesNotKnowHowManyAhead) {
  OpRun run(non_max_suppression_schema());
  run.type(DType::f32, {Shape::symbol_dim(0), 9, 4}).type(DType::f32, {Shape::symbol_dim(0), 2, 9});
  EXPECT_EQ(run.site().outputs[0], (ValueType{DType::i64, {Shape::kUnknownDim, 3}}));
  OpRun misfit(non_max_suppression_schema());
  EXPECT_THROW(misfit.type(DType::f32, {1, 9, 4}).type(DType::f32, {1, 2, 8}).site(), InputError);
}

}  // namespace
}  // namespace halftone
