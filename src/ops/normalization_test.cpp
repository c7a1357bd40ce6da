#include "ops/normalization.h"

#include <cmath>
#include <gtest/gtest.h>

#include "op_run.h"

namespace halftone {
namespace {

const OpSchema& op(std::string_view name) {
  return *find_op(name);
}

TEST(RMSNormalization, DividesByTheRootMeanSquare) {
  OpRun run(op("RMSNormalization"), {{"epsilon", 0.0f}});
  run.input(Tensor::from<float>({2, 2}, {3, 4, -6, 8})).input(Tensor::from<float>({2}, {1, 10}));
  const std::vector<float> y = floats(run.reference()[0]);
  const float rms = std::sqrt(12.5f);  // of (3, 4)
  EXPECT_NEAR(y[0], 3 / rms, 1e-6);
  EXPECT_NEAR(y[1], 40 / rms, 1e-5);
  EXPECT_NEAR(y[2], -3 / rms, 1e-6);
  EXPECT_NEAR(y[3], 40 / rms, 1e-5);
}

TEST(RMSNormalization, TakesTheMeanOverAllAxesFromAxisOn) {
  OpRun run(op("RMSNormalization"), {{"axis", int64_t{1}}, {"epsilon", 0.0f}});
  run.input(Tensor::from<float>({1, 2, 2}, {1, 1, 1, 1})).input(Tensor::from<float>({2, 1}, {2, 3}));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{2, 2, 3, 3}));
}

TEST(RMSNormalization, StaysFiniteOnZeros) {
  OpRun run(op("RMSNormalization"));
  run.input(Tensor::zeros(DType::f32, {1, 4})).input(random_tensor({4}, 1));
  EXPECT_EQ(floats(run.reference()[0]), std::vector<float>(4, 0.0f));
}

TEST(RMSNormalization, RefusesWhatDoesNotFit) {
  const int64_t tokens = Shape::symbol_dim(0);
  EXPECT_EQ(
      OpRun(op("RMSNormalization")).type(DType::bf16, {tokens, 8}).type(DType::f32, {8}).site().outputs[0],
      (ValueType{DType::bf16, {tokens, 8}}));
  EXPECT_THROW(OpRun(op("RMSNormalization")).type(DType::f32, {tokens, 8}).type(DType::f32, {7}).site(),
               InputError);
  EXPECT_THROW(OpRun(op("RMSNormalization")).type(DType::f32, {1, 1}).type(DType::f32, {8}).site(),
               InputError);
  EXPECT_THROW(OpRun(op("RMSNormalization")).type(DType::i32, {1, 8}).type(DType::f32, {8}).site(),
               InputError);
}

TEST(LayerNormalization, CentresAndScales) {
  OpRun run(op("LayerNormalization"), {{"epsilon", 0.0f}});
  run.input(Tensor::from<float>({1, 4}, {1, 2, 3, 4}))
      .input(Tensor::from<float>({4}, {1, 1, 2, 1}))
      .input(Tensor::from<float>({4}, {0, 0, 0, 5}));
  const std::vector<float> y = floats(run.reference()[0]);
  const float deviation = std::sqrt(1.25f);
  EXPECT_NEAR(y[0], -1.5f / deviation, 1e-6);
  EXPECT_NEAR(y[1], -0.5f / deviation, 1e-6);
  EXPECT_NEAR(y[2], 1.0f / deviation, 1e-6);
  EXPECT_NEAR(y[3], 1.5f / deviation + 5, 1e-6);
}

TEST(SkipRMSNormalization, IsAnAdditionAndANorm) {
  for (DType type : {DType::f32, DType::f16, DType::bf16}) {
    const Tensor x = as_type(random_tensor({5, 7}, 1), type);
    const Tensor skip = as_type(random_tensor({5, 7}, 2), type);
    const Tensor scale = random_tensor({7}, 3);
    OpRun fused(op("SkipRMSNormalization"), {{"epsilon", 1e-6f}});
    fused.input(x).input(skip).input(scale);
    const auto found = fused.reference();
    OpRun add(op("Add"));
    add.input(x).input(skip);
    const Tensor sum = add.reference()[0];
    OpRun norm(op("RMSNormalization"), {{"epsilon", 1e-6f}});
    norm.input(sum).input(scale);
    EXPECT_EQ(floats(found[1]), floats(sum));
    EXPECT_EQ(floats(found[0]), floats(norm.reference()[0]));
  }
}

TEST(Softmax, SumsToOneAlongAnAxis) {
  OpRun run(op("Softmax"), {{"axis", int64_t{0}}});
  run.input(Tensor::from<float>({2, 2}, {0, 1000, std::log(3.0f), 1000}));
  const std::vector<float> y = floats(run.reference()[0]);
  EXPECT_NEAR(y[0], 0.25f, 1e-6);
  EXPECT_NEAR(y[2], 0.75f, 1e-6);
  EXPECT_EQ(y[1], 0.5f);
  EXPECT_EQ(y[3], 0.5f);
}

}  // namespace
}  // namespace halftone
