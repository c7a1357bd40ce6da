#include "ops/integer_product/integer_product.h"

#include <gtest/gtest.h>

#include "op_run.h"

namespace halftone {
namespace {

Tensor scalar(float value) {
  return Tensor::from<float>({}, {value});
}

TEST(MatMulInteger, SumsCodesLessTheirZeros) {
  OpRun run(*find_op("MatMulInteger"));
  run.input(Tensor::from<uint8_t>({2, 3}, {11, 7, 3, 10, 6, 2}))
      .input(Tensor::from<int8_t>({3, 2}, {1, 4, 2, 5, 3, 6}))
      .input(Tensor::from<uint8_t>({2}, {12, 10}))
      .input(Tensor::from<int8_t>({2}, {0, 1}));
  EXPECT_EQ(values<int32_t>(run.reference()[0]), (std::vector<int32_t>{-38, -68, -32, -56}));
  OpRun plain(*find_op("MatMulInteger"));
  plain.input(Tensor::from<uint8_t>({1, 2}, {200, 255})).input(Tensor::from<uint8_t>({2}, {3, 2}));
  EXPECT_EQ(values<int32_t>(plain.reference()[0]), std::vector<int32_t>{1110});
}

TEST(QLinearMatMul, ScalesAndSaturates) {
  auto product = [](const Tensor& b_scale, const Tensor& b_zero) {
    OpRun run(*find_op("QLinearMatMul"));
    run.input(Tensor::from<uint8_t>({1, 2}, {130, 120})).input(scalar(0.5f));
    run.input(Tensor::from<uint8_t>({}, {128}));
    run.input(Tensor::from<int8_t>({2, 2}, {3, 100, -2, -100})).input(b_scale).input(b_zero);
    run.input(scalar(2)).input(Tensor::from<uint8_t>({1}, {10}));
    return values<uint8_t>(run.reference()[0]);
  };
  // Sums 2 * 3 + 8 * 2 = 22 and 2 * 100 + 8 * 100 = 1000; times 0.5 * scale / 2.
  EXPECT_EQ(product(scalar(1), Tensor::from<int8_t>({}, {0})), (std::vector<uint8_t>{16, 255}));  // 5.5, 250
  EXPECT_EQ(product(Tensor::from<float>({2}, {2, 0.1f}), Tensor::from<int8_t>({2}, {0, 0})),
            (std::vector<uint8_t>{21, 35}));
}

TEST(ConvInteger, ReadsPaddingAsTheZeroPoint) {
  OpRun run(*find_op("ConvInteger"), {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  run.input(Tensor::from<uint8_t>({1, 1, 2, 2}, {2, 3, 4, 5}))
      .input(Tensor::from<uint8_t>({1, 1, 2, 2}, {1, 1, 1, 1}))
      .input(Tensor::from<uint8_t>({}, {1}));
  EXPECT_EQ(values<int32_t>(run.reference()[0]), (std::vector<int32_t>{1, 3, 2, 4, 10, 6, 3, 7, 4}));
}

TEST(QLinearConv, HasScalesByOutputChannel) {
  OpRun run(*find_op("QLinearConv"));
  run.input(Tensor::from<uint8_t>({1, 1, 1, 2}, {138, 108})).input(scalar(0.5f));
  run.input(Tensor::from<uint8_t>({}, {128}));
  run.input(Tensor::from<int8_t>({2, 1, 1, 1}, {3, -2})).input(Tensor::from<float>({2}, {1, 0.5f}));
  run.input(Tensor::from<int8_t>({2}, {1, 0}));
  run.input(scalar(1)).input(Tensor::from<int8_t>({}, {-1})).input(Tensor::from<int32_t>({2}, {4, 0}));
  // (10, -20) * 2 + 4 and * -2; times 0.5 and 0.25; minus 1.
  EXPECT_EQ(values<int8_t>(run.reference()[0]), (std::vector<int8_t>{11, -19, -6, 9}));
}

TEST(IntegerProducts, RefuseWhatDoesNotFit) {
  auto infer = [](DType a, DType zero, const Shape& zeros) {
    OpRun run(*find_op("MatMulInteger"));
    return run.type(a, {Shape::symbol_dim(0), 3}).type(DType::u8, {3, 2}).type(zero, zeros).site().outputs[0];
  };
  EXPECT_EQ(infer(DType::i8, DType::i8, {}), (ValueType{DType::i32, {Shape::symbol_dim(0), 2}}));
  EXPECT_THROW(infer(DType::f32, DType::i8, {}), InputError);
  EXPECT_THROW(infer(DType::i8, DType::u8, {}), InputError);
  EXPECT_THROW(infer(DType::i8, DType::i8, {2, 2, 2}), InputError);
}

}  // namespace
}  // namespace halftone
