#include "core/tensor.h"

#include <cstring>
#include <gtest/gtest.h>
#include <vector>

#include "base/error.h"

namespace halftone {
namespace {

TEST(Tensor, RowsShareTheBytes) {
  Tensor tensor = Tensor::from<float>({3, 2}, {0, 1, 2, 3, 4, 5});
  Tensor rows = tensor.rows(1, 3);
  EXPECT_EQ(rows.shape(), Shape({2, 2}));
  EXPECT_EQ(rows.span<float>()[0], 2);
  EXPECT_EQ(rows.view().data, tensor.view().data + 8);
}

TEST(Tensor, FloatsOfAnyTypeAndAlignmentLoad) {
  std::vector<std::byte> raw(1 + 2 * 3);
  const BFloat16 values[3] = {to_bfloat16(1), to_bfloat16(-2), to_bfloat16(0.5f)};
  std::memcpy(raw.data() + 1, values, sizeof(values));
  float loaded[2];
  load_floats({DType::bf16, {3}, raw.data() + 1}, 1, loaded);
  EXPECT_EQ(loaded[0], -2);
  EXPECT_EQ(loaded[1], 0.5f);
}

TEST(Tensor, AbsurdShapesAreRefused) {
  EXPECT_THROW(Tensor::allocate(DType::f32, {int64_t{1} << 40, int64_t{1} << 40}), ResourceError);
  EXPECT_THROW(Shape(std::vector<int64_t>(9, 1)), UnsupportedError);
}

TEST(Shape, SymbolsAreEqualByName) {
  const Shape tokens{Shape::symbol_dim(0), 64};
  EXPECT_EQ(tokens, Shape({Shape::symbol_dim(0), 64}));
  EXPECT_FALSE(tokens == Shape({Shape::symbol_dim(1), 64}));
  EXPECT_EQ(tokens.str(), "[s0, 64]");
  EXPECT_FALSE(tokens.checked_elements());
  EXPECT_EQ(Shape({3, 4}).normalize_axis(-1), 1);
  EXPECT_FALSE(Shape({3, 4}).normalize_axis(2));
}

}  // namespace
}  // namespace halftone
