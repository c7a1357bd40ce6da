#include "ops/mat_mul/mat_mul.h"

#include <gtest/gtest.h>

#include "op_run.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

TEST(MatMul, MultipliesMatricesAndVectors) {
  const Tensor a = Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor b = Tensor::from<float>({3, 2}, {1, 0, -1, 2, 3, 1});
  OpRun run(mat_mul_schema());
  run.input(a).input(b);
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{8, 7, 17, 16}));
  EXPECT_EQ(mat_mul_schema().cost(run.site()).flops, 2 * 2 * 2 * 3);
  OpRun row(mat_mul_schema());
  row.input(Tensor::from<float>({3}, {1, 2, 3})).input(b);
  EXPECT_EQ(row.site().outputs[0].shape, (Shape{2}));
  EXPECT_EQ(floats(row.reference()[0]), (std::vector<float>{8, 7}));
  OpRun dot(mat_mul_schema());
  dot.input(Tensor::from<int64_t>({3}, {1, 2, 3})).input(Tensor::from<int64_t>({3}, {4, 5, 6}));
  EXPECT_EQ(dot.site().outputs[0].shape, Shape{});
  EXPECT_EQ(values<int64_t>(dot.reference()[0]), (std::vector<int64_t>{32}));
}

TEST(MatMul, BroadcastsBatches) {
  OpRun run(mat_mul_schema());
  run.input(Tensor::from<float>({2, 1, 1, 2}, {1, 2, 3, 4}))
      .input(Tensor::from<float>({2, 2, 1}, {1, 1, 10, 1}));
  const Tensor y = run.reference()[0];
  EXPECT_EQ(y.shape(), (Shape{2, 2, 1, 1}));
  EXPECT_EQ(floats(y), (std::vector<float>{3, 12, 7, 34}));
}

TEST(MatMul, KnowsSymbolsAndRefusesMisfits) {
  const int64_t tokens = Shape::symbol_dim(0);
  auto infer = [](const Shape& a, const Shape& b) {
    return OpRun(mat_mul_schema()).type(DType::f32, a).type(DType::f32, b).site().outputs[0].shape;
  };
  EXPECT_EQ(infer({tokens, 4}, {4, 5}), (Shape{tokens, 5}));
  EXPECT_EQ(infer({8, 4, tokens}, {8, tokens, 4}), (Shape{8, 4, 4}));
  EXPECT_THROW(infer({tokens, 4}, {5, 4}), InputError);
  EXPECT_THROW(infer({}, {4}), InputError);
}

TEST(MatMul, DecodesAQuantizedConstant) {
  Constant b(random_tensor({8, 6}, 1));
  b.set_encoding({find_number_format("int8"), Granularity::per_axis(0)});
  const Tensor a = random_tensor({3, 8}, 2);
  OpRun encoded(mat_mul_schema());
  encoded.input(a).constant(b);
  OpRun decoded(mat_mul_schema());
  decoded.input(a).input(b.load_encoded("b")->decode());
  EXPECT_EQ(floats(encoded.reference()[0]), floats(decoded.reference()[0]));
}

}  // namespace
}  // namespace halftone
