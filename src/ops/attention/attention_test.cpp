#include "ops/attention/attention.h"

#include <cmath>
#include <gtest/gtest.h>

#include "op_run.h"

namespace halftone {
namespace {

const OpSchema& op(std::string_view name) {
  return *find_op(name);
}

Tensor run_op(std::string_view name, std::initializer_list<Tensor> inputs, Attributes attributes = {}) {
  OpRun run(op(name), std::move(attributes));
  for (const Tensor& input : inputs) run.input(input);
  return run.reference()[0];
}

void expect_near(const Tensor& found, const Tensor& expected, float bound = 2e-6f) {
  ASSERT_EQ(found.shape(), expected.shape());
  for (size_t i = 0; i < floats(found).size(); ++i)
    EXPECT_NEAR(floats(found)[i], floats(expected)[i], bound) << "element " << i;
}

TEST(Attention, WeighsValuesBySoftmaxOfScores) {
  // Scores log 3 and 0: weights 3/4 and 1/4.
  const Tensor q = Tensor::from<float>({1, 1, 1, 1}, {std::log(3.0f)});
  const Tensor k = Tensor::from<float>({1, 1, 2, 1}, {1, 0});
  const Tensor v = Tensor::from<float>({1, 1, 2, 2}, {4, 8, 0, 4});
  expect_near(run_op("Attention", {q, k, v}), Tensor::from<float>({1, 1, 1, 2}, {3, 7}));
}

TEST(Attention, EqualsItsDecomposition) {
  const Tensor q = random_tensor({2, 3, 5, 8}, 1);
  const Tensor k = random_tensor({2, 3, 7, 8}, 2);
  const Tensor v = random_tensor({2, 3, 7, 4}, 3);
  const Tensor mask = random_tensor({5, 7}, 4);
  const Tensor turned = run_op("Transpose", {k}, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
  const Tensor scaled = run_op("Mul", {run_op("MatMul", {q, turned}), Tensor::from<float>({}, {0.3f})});
  const Tensor cap = Tensor::from<float>({}, {1.5f});
  const Tensor capped = run_op("Mul", {run_op("Tanh", {run_op("Div", {scaled, cap})}), cap});
  const Tensor expected = run_op("MatMul", {run_op("Softmax", {run_op("Add", {capped, mask})}), v});
  expect_near(run_op("Attention", {q, k, v, mask}, {{"scale", 0.3f}, {"softcap", 1.5f}}), expected);
}

TEST(Attention, HidesTheFutureAndWhatABooleanMaskHides) {
  const Tensor q = random_tensor({1, 2, 4, 6}, 1);
  const Tensor k = random_tensor({1, 2, 4, 6}, 2);
  const Tensor v = random_tensor({1, 2, 4, 6}, 3);
  Tensor lower = Tensor::allocate(DType::boolean, {4, 4});
  for (size_t i = 0; i < 16; ++i) lower.mutable_view().span<bool>()[i] = i % 4 <= i / 4;
  expect_near(run_op("Attention", {q, k, v}, {{"is_causal", int64_t{1}}}),
              run_op("Attention", {q, k, v, lower}), 0);
  // A mask of three keys hides the fourth.
  const Tensor three = Tensor::from<bool>({1, 3}, {true, true, true});
  const Tensor all = Tensor::from<bool>({1, 4}, {true, true, true, false});
  expect_near(run_op("Attention", {q, k, v, three}), run_op("Attention", {q, k, v, all}), 0);
}

TEST(Attention, SharesKeysWithinAGroupOfHeads) {
  const Tensor q = random_tensor({1, 4, 3, 6}, 1);
  const Tensor k = random_tensor({1, 2, 5, 6}, 2);
  const Tensor v = random_tensor({1, 2, 5, 6}, 3);
  auto repeat = [](const Tensor& x) {
    return run_op("Gather", {x, Tensor::from<int64_t>({4}, {0, 0, 1, 1})}, {{"axis", int64_t{1}}});
  };
  expect_near(run_op("Attention", {q, k, v}), run_op("Attention", {q, repeat(k), repeat(v)}), 0);
}

TEST(Attention, IsTheSameWithPackedHeads) {
  const Tensor q = random_tensor({2, 3, 4, 6}, 1);
  const Tensor k = random_tensor({2, 3, 5, 6}, 2);
  const Tensor v = random_tensor({2, 3, 5, 2}, 3);
  auto pack = [](const Tensor& x) {
    const Shape& s = x.shape();
    return run_op("Transpose", {x}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}})
        .reshaped({s[0], s[2], s[1] * s[3]});
  };
  const Tensor packed = run_op("Attention", {pack(q), pack(k), pack(v)},
                               {{"q_num_heads", int64_t{3}}, {"kv_num_heads", int64_t{3}}});
  expect_near(packed, pack(run_op("Attention", {q, k, v})), 0);
}

TEST(Attention, GoesOnFromAPast) {
  const Tensor q = random_tensor({1, 2, 5, 4}, 1);
  const Tensor k = random_tensor({1, 2, 5, 4}, 2);
  const Tensor v = random_tensor({1, 2, 5, 4}, 3);
  const Tensor whole = run_op("Attention", {q, k, v}, {{"is_causal", int64_t{1}}});
  auto part = [](const Tensor& x, std::initializer_list<int64_t> positions) {
    const auto count = static_cast<int64_t>(positions.size());
    return run_op("Gather", {x, Tensor::from<int64_t>({count}, positions)}, {{"axis", int64_t{2}}});
  };
  OpRun run(op("Attention"), {{"is_causal", int64_t{1}}});
  run.input(part(q, {3, 4})).input(part(k, {3, 4})).input(part(v, {3, 4})).absent();
  run.input(part(k, {0, 1, 2})).input(part(v, {0, 1, 2}));
  const auto outputs = run.reference();
  expect_near(outputs[0], part(whole, {3, 4}), 0);
  expect_near(outputs[1], k, 0);
  expect_near(outputs[2], v, 0);
}

TEST(Attention, ShowsItsScoresAtEachStage) {
  const Tensor q = Tensor::from<float>({1, 1, 1, 1}, {2});
  const Tensor k = Tensor::from<float>({1, 1, 2, 1}, {1, 3});
  const Tensor v = Tensor::from<float>({1, 1, 2, 1}, {1, 2});
  const Tensor mask = Tensor::from<float>({1, 2}, {5, -INFINITY});
  auto scores = [&](int64_t mode) {
    OpRun run(op("Attention"), {{"scale", 1.0f}, {"softcap", 4.0f}, {"qk_matmul_output_mode", mode}});
    run.input(q).input(k).input(v).input(mask);
    return floats(run.reference()[3]);
  };
  const float capped = 4 * std::tanh(0.5f);
  EXPECT_EQ(scores(0), (std::vector<float>{2, 6}));
  EXPECT_NEAR(scores(1)[0], capped, 1e-6);
  EXPECT_NEAR(scores(2)[0], capped + 5, 1e-6);
  EXPECT_EQ(scores(2)[1], -INFINITY);
  EXPECT_EQ(scores(3), (std::vector<float>{1, 0}));
  EXPECT_THROW(scores(4), InputError);
}

TEST(Attention, IgnoresPaddingAndGivesZeroWhereNothingIsSeen) {
  const Tensor q = random_tensor({2, 1, 2, 4}, 1);
  const Tensor k = random_tensor({2, 1, 3, 4}, 2), v = random_tensor({2, 1, 3, 4}, 3);
  OpRun run(op("Attention"));
  run.input(q).input(k).input(v).absent().absent().absent();
  run.input(Tensor::from<int64_t>({2}, {3, 0}));
  const auto y = floats(run.reference()[0]), whole = floats(run_op("Attention", {q, k, v}));
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(y[i], whole[i]);
  for (size_t i = 8; i < 16; ++i) EXPECT_EQ(y[i], 0);
}

TEST(Attention, ChecksShapes) {
  auto infer = [](const Shape& q, const Shape& k, const Shape& v) {
    return OpRun(op("Attention"))
        .type(DType::f32, q)
        .type(DType::f32, k)
        .type(DType::f32, v)
        .site()
        .outputs[0]
        .shape;
  };
  const int64_t length = Shape::symbol_dim(0);
  EXPECT_EQ(infer({1, 4, length, 8}, {1, 2, length, 8}, {1, 2, length, 16}), (Shape{1, 4, length, 16}));
  EXPECT_THROW(infer({1, 4, 3, 8}, {1, 3, 3, 8}, {1, 3, 3, 8}), InputError);  // 4 heads among 3
  EXPECT_THROW(infer({1, 4, 3, 8}, {1, 4, 3, 7}, {1, 4, 3, 8}), InputError);
  EXPECT_THROW(infer({1, 4, 3, 8}, {1, 4, 3, 8}, {1, 4, 2, 8}), InputError);
  EXPECT_THROW(infer({3, 8}, {3, 8}, {3, 8}), InputError);
}

}  // namespace
}  // namespace halftone
