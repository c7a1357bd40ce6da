#include "models/weights.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace halftone {
namespace {

Tensor ramp(int64_t rows, int64_t columns) {
  Tensor tensor = Tensor::allocate(DType::f32, {rows, columns});
  float next = -40;
  for (float& value : tensor.mutable_view().span<float>()) value = next++;
  return tensor;
}

TEST(Weights, RowsShareTheBytes) {
  const Tensor whole = ramp(6, 5);
  const Constant rows = constant_rows(Constant(whole), 2, 4, "w");
  EXPECT_EQ(rows.shape(), (Shape{2, 5}));
  EXPECT_EQ(rows.load().view().data, whole.view().data + 2 * 5 * 4);
}

TEST(Weights, RowsOfAnEncodedTensorKeepItsCodes) {
  const Encoding int4{find_number_format("int4"), Granularity::per_group(32)};
  Constant whole(ramp(6, 64));
  whole.set_encoding(int4);
  const Constant rows = constant_rows(whole, 2, 5, "w");
  ASSERT_EQ(rows.encoding(), int4);
  const Tensor all = whole.load_encoded("w")->decode(), cut = rows.load_encoded("w")->decode();
  for (size_t i = 0; i < 3 * 64; ++i) EXPECT_EQ(cut.span<float>()[i], all.span<float>()[2 * 64 + i]);
}

TEST(Weights, RowsMayGetAnEncodingOfTheirOwn) {
  const Encoding int8{find_number_format("int8"), Granularity::per_axis(0)};
  Constant rows = constant_rows(Constant(ramp(6, 8)), 1, 3, "w");
  rows.set_encoding(int8);
  EXPECT_EQ(rows.load_encoded("w")->shape(), (Shape{2, 8}));
}

TEST(Weights, RowsUnderDoubleQuantizationAreRefused) {
  Encoding nested{find_number_format("nf4"), Granularity::per_group(64)};
  nested.double_quant_block = 256;
  Constant whole(ramp(4, 64));
  whole.set_encoding(nested);
  EXPECT_THROW(constant_rows(whole, 0, 2, "w"), UnsupportedError);
}

TEST(Weights, SmallConstantsBecomeF32) {
  const Tensor norm = Tensor::from<BFloat16>({2}, {to_bfloat16(0.5f), to_bfloat16(-0.25f)});
  const Tensor folded = small_f32(Constant(norm), 1).load();
  EXPECT_EQ(folded.span<float>()[0], 1.5f);
  EXPECT_EQ(folded.span<float>()[1], 0.75f);
}

}  // namespace
}  // namespace halftone
