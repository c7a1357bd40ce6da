#include "ops/rotary_embedding/rotary_embedding.h"

#include <cmath>
#include <gtest/gtest.h>

#include "op_run.h"

namespace halftone {
namespace {

TEST(RotaryEmbedding, TurnsPairsByTheirAngle) {
  // One head of four at a quarter turn (first pair) and a half turn (second pair).
  const Tensor cosine = Tensor::from<float>({2, 2}, {1, 1, 0, -1});
  const Tensor sine = Tensor::from<float>({2, 2}, {0, 0, 1, 0});
  const Tensor x = Tensor::from<float>({1, 4}, {1, 2, 3, 4});
  const Tensor at = Tensor::from<int64_t>({1}, {1});
  OpRun halves(rotary_embedding_schema(), {{"num_heads", int64_t{1}}});
  halves.input(x).input(cosine).input(sine).input(at);
  EXPECT_EQ(floats(halves.reference()[0]), (std::vector<float>{-3, -2, 1, -4}));
  OpRun neighbours(rotary_embedding_schema(), {{"num_heads", int64_t{1}}, {"interleaved", int64_t{1}}});
  neighbours.input(x).input(cosine).input(sine).input(at);
  EXPECT_EQ(floats(neighbours.reference()[0]), (std::vector<float>{-2, 1, -3, -4}));
}

TEST(RotaryEmbedding, LeavesTheRestOfAPartlyRotatedHead) {
  OpRun run(rotary_embedding_schema(), {{"num_heads", int64_t{1}}, {"rotary_embedding_dim", int64_t{2}}});
  run.input(Tensor::from<float>({1, 4}, {1, 2, 3, 4}))
      .input(Tensor::from<float>({1, 1}, {0}))
      .input(Tensor::from<float>({1, 1}, {1}))
      .input(Tensor::from<int32_t>({1}, {0}));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{-2, 1, 3, 4}));
}

TEST(RotaryEmbedding, IsTheSameInItsThreeForms) {
  constexpr int64_t kBatch = 2, kHeads = 3, kLength = 4, kDim = 6;
  const Tensor packed = random_tensor({kBatch, kLength, kHeads * kDim}, 1);
  const Tensor cosine = random_tensor({9, kDim / 2}, 2);
  const Tensor sine = random_tensor({9, kDim / 2}, 3);
  const Tensor positions = Tensor::from<int64_t>({kBatch, kLength}, {0, 1, 2, 3, 5, 6, 7, 8});
  const Attributes attributes = {{"num_heads", kHeads}};

  OpRun three(rotary_embedding_schema(), attributes);
  three.input(packed).input(cosine).input(sine).input(positions);
  const Tensor expected = three.reference()[0];

  OpRun flat(rotary_embedding_schema(), attributes);
  flat.input(packed.reshaped({kBatch * kLength, kHeads * kDim}))
      .input(cosine)
      .input(sine)
      .input(positions.reshaped({kBatch * kLength}));
  EXPECT_EQ(floats(flat.reference()[0]), floats(expected));

  auto turn = [](const Tensor& x) {
    OpRun run(*find_op("Transpose"), {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
    run.input(x);
    return run.reference()[0];
  };
  OpRun four(rotary_embedding_schema());
  four.input(turn(packed.reshaped({kBatch, kLength, kHeads, kDim})))
      .input(cosine)
      .input(sine)
      .input(positions);
  EXPECT_EQ(floats(turn(four.reference()[0])), floats(expected));

  auto rows_of = [&](const Tensor& cache) {
    OpRun run(*find_op("Gather"));
    run.input(cache).input(positions);
    return run.reference()[0];
  };
  OpRun gathered(rotary_embedding_schema(), attributes);
  gathered.input(packed).input(rows_of(cosine)).input(rows_of(sine));
  EXPECT_EQ(floats(gathered.reference()[0]), floats(expected));
}

TEST(RotaryEmbedding, MarksPositionsOutsideTheCaches) {
  OpRun run(rotary_embedding_schema(), {{"num_heads", int64_t{1}}});
  run.input(random_tensor({1, 4}, 1)).input(random_tensor({2, 2}, 2)).input(random_tensor({2, 2}, 3));
  run.input(Tensor::from<int64_t>({1}, {2}));
  for (float y : floats(run.reference()[0])) EXPECT_TRUE(std::isnan(y));
}

TEST(RotaryEmbedding, ChecksShapes) {
  const int64_t tokens = Shape::symbol_dim(0);
  auto infer = [&](const Shape& x, const Shape& cache, const Shape& positions) {
    OpRun run(rotary_embedding_schema(), {{"num_heads", int64_t{2}}});
    run.type(DType::f32, x).type(DType::f32, cache).type(DType::f32, cache).type(DType::i64, positions);
    return run.site().outputs[0].shape;
  };
  EXPECT_EQ(infer({tokens, 16}, {100, 4}, {tokens}), (Shape{tokens, 16}));
  EXPECT_THROW(infer({tokens, 16}, {100, 3}, {tokens}), InputError);
  EXPECT_THROW(infer({tokens, 16}, {100, 4}, {5}), InputError);
  EXPECT_THROW(infer({tokens, 15}, {100, 4}, {tokens}), InputError);
}

}  // namespace
}  // namespace halftone
