#include "ops/quantize_linear/quantize_linear.h"

#include <gtest/gtest.h>

#include "op_run.h"

namespace halftone {
namespace {

TEST(QuantizeLinear, RoundsHalvesToEvenAndSaturates) {
  OpRun run(quantize_linear_schema());
  run.input(Tensor::from<float>({6}, {1, 3, -1, 5, 1000, -1000}))
      .input(Tensor::from<float>({}, {2}))
      .input(Tensor::from<uint8_t>({}, {128}));
  EXPECT_EQ(values<uint8_t>(run.reference()[0]), (std::vector<uint8_t>{128, 130, 128, 130, 255, 0}));
  OpRun plain(quantize_linear_schema(), {{"output_dtype", int64_t{5}}});
  plain.input(Tensor::from<float>({2}, {-1e9f, 3})).input(Tensor::from<float>({}, {2}));
  EXPECT_EQ(values<int16_t>(plain.reference()[0]), (std::vector<int16_t>{-32768, 2}));
}

TEST(QuantizeLinear, HasScalesByAxisOrBlock) {
  const Tensor x = Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  OpRun by_row(quantize_linear_schema(), {{"axis", int64_t{0}}});
  by_row.input(x).input(Tensor::from<float>({2}, {1, 2})).input(Tensor::from<int8_t>({2}, {0, 10}));
  EXPECT_EQ(values<int8_t>(by_row.reference()[0]), (std::vector<int8_t>{1, 2, 3, 12, 12, 13}));
  OpRun blocks(quantize_linear_schema(), {{"axis", int64_t{-1}}, {"block_size", int64_t{2}}});
  blocks.input(x).input(Tensor::from<float>({2, 2}, {1, 3, 2, 6}));
  EXPECT_EQ(values<uint8_t>(blocks.reference()[0]), (std::vector<uint8_t>{1, 2, 1, 2, 2, 1}));
}

TEST(QuantizeLinear, RefusesWhatDoesNotFit) {
  auto infer = [](const Shape& scale, DType zero, Attributes attributes) {
    return OpRun(quantize_linear_schema(), std::move(attributes))
        .type(DType::f32, {Shape::symbol_dim(0), 4})
        .type(DType::f32, scale)
        .type(zero, scale)
        .site()
        .outputs[0];
  };
  EXPECT_EQ(infer({4}, DType::i8, {}), (ValueType{DType::i8, {Shape::symbol_dim(0), 4}}));
  EXPECT_THROW(infer({3}, DType::i8, {}), InputError);
  EXPECT_THROW(infer({}, DType::i32, {}), InputError);
  EXPECT_THROW(infer({}, DType::i8, {{"output_dtype", int64_t{2}}}), InputError);
  EXPECT_THROW(infer({}, DType::i8, {{"output_dtype", int64_t{23}}}), UnsupportedError);
}

TEST(DequantizeLinear, UndoesIt) {
  const Tensor x = random_tensor({5, 7}, 1);
  const Tensor scale = Tensor::from<float>({7}, {0.01f, 0.02f, 0.03f, 0.04f, 0.05f, 0.06f, 0.07f});
  const Tensor zero = Tensor::from<uint8_t>({7}, {128, 127, 126, 125, 124, 123, 122});
  OpRun quantize(quantize_linear_schema()), dequantize(dequantize_linear_schema());
  quantize.input(x).input(scale).input(zero);
  dequantize.input(quantize.reference()[0]).input(scale).input(zero);
  const auto found = floats(dequantize.reference()[0]);
  for (size_t i = 0; i < found.size(); ++i) {
    const float step = floats(scale)[i % 7];
    const float zero_code = values<uint8_t>(zero)[i % 7];
    const float held = std::clamp(floats(x)[i], -zero_code * step, (255 - zero_code) * step);
    EXPECT_NEAR(found[i], held, 0.5001f * step);
  }
  OpRun half(dequantize_linear_schema(), {{"output_dtype", int64_t{10}}});
  half.type(DType::i32, {3}).type(DType::f32, {});
  EXPECT_EQ(half.site().outputs[0].dtype, DType::f16);
}

TEST(DynamicQuantizeLinear, SpreadsTheRangeOverTheCodes) {
  OpRun run(dynamic_quantize_linear_schema());
  run.input(Tensor::from<float>({4}, {-1, 0, 1.55f, 0.5f}));
  const auto outputs = run.reference();
  EXPECT_FLOAT_EQ(floats(outputs[1])[0], 0.01f);
  EXPECT_EQ(values<uint8_t>(outputs[2]), std::vector<uint8_t>{100});
  EXPECT_EQ(values<uint8_t>(outputs[0]), (std::vector<uint8_t>{0, 100, 255, 150}));
  OpRun zeros(dynamic_quantize_linear_schema());
  zeros.input(Tensor::from<float>({2}, {0, 0}));
  EXPECT_EQ(values<uint8_t>(zeros.reference()[0]), (std::vector<uint8_t>{0, 0}));
}

}  // namespace
}  // namespace halftone
