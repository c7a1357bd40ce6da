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

TEST(LayerNormalization, GivesItsStatisticsWhenAsked) {
  OpRun run(op("LayerNormalization"), {{"axis", int64_t{1}}, {"epsilon", 0.0f}});
  run.input(Tensor::from<float>({2, 1, 2}, {1, 3, 10, 10.5f})).input(Tensor::from<float>({2}, {1, 1}));
  const auto outputs = run.reference();
  ASSERT_EQ(outputs.size(), 3);
  EXPECT_EQ(outputs[1].shape(), (Shape{2, 1, 1}));
  EXPECT_EQ(floats(outputs[1]), (std::vector<float>{2, 10.25f}));
  EXPECT_EQ(floats(outputs[2]), (std::vector<float>{1, 4}));
}

TEST(GroupNormalization, CentresEachGroupOfChannels) {
  OpRun run(op("GroupNormalization"), {{"num_groups", int64_t{2}}, {"epsilon", 0.0f}});
  run.input(Tensor::from<float>({1, 4, 1}, {1, 3, -4, 4}))
      .input(Tensor::from<float>({4}, {1, 2, 3, 4}))
      .input(Tensor::from<float>({4}, {0, 0, 1, 0}));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{-1, 2, -2, 4}));
  OpRun misfit(op("GroupNormalization"), {{"num_groups", int64_t{3}}});
  misfit.type(DType::f32, {1, 4, 1}).type(DType::f32, {4}).type(DType::f32, {4});
  EXPECT_THROW(misfit.site(), InputError);
}

TEST(InstanceNormalization, IsAGroupAChannel) {
  const Tensor x = random_tensor({2, 3, 4, 5}, 1);
  const Tensor scale = random_tensor({3}, 2), bias = random_tensor({3}, 3);
  OpRun instance(op("InstanceNormalization")), group(op("GroupNormalization"), {{"num_groups", int64_t{3}}});
  for (OpRun* run : {&instance, &group}) run->input(x).input(scale).input(bias);
  EXPECT_EQ(floats(instance.reference()[0]), floats(group.reference()[0]));
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

TEST(LogSoftmax, IsTheLogarithm) {
  const Tensor x = random_tensor({3, 4, 5}, 1, 30);
  OpRun soft(op("Softmax"), {{"axis", int64_t{1}}}), logarithm(op("LogSoftmax"), {{"axis", int64_t{1}}});
  soft.input(x);
  logarithm.input(x);
  const auto weights = floats(soft.reference()[0]), logs = floats(logarithm.reference()[0]);
  for (size_t i = 0; i < weights.size(); ++i) EXPECT_NEAR(std::exp(logs[i]), weights[i], 1e-6);
  OpRun nothing(op("Softmax"));
  nothing.input(Tensor::from<float>({2, 0}, {}));
  EXPECT_EQ(nothing.reference()[0].shape(), (Shape{2, 0}));
}

}  // namespace
}  // namespace halftone
