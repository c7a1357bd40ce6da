#include "ops/gather/gather.h"

#include <cmath>
#include <gtest/gtest.h>

#include "op_run.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

TEST(Gather, TakesRowsOfATable) {
  const Tensor table = Tensor::from<float>({3, 2}, {0, 1, 10, 11, 20, 21});
  OpRun run(gather_schema());
  run.input(table).input(Tensor::from<int64_t>({2, 2}, {2, 0, -1, 1}));
  const Tensor y = run.reference()[0];
  EXPECT_EQ(y.shape(), (Shape{2, 2, 2}));
  EXPECT_EQ(floats(y), (std::vector<float>{20, 21, 0, 1, 20, 21, 10, 11}));
}

TEST(Gather, TakesAlongAnyAxisAndAnyType) {
  OpRun run(gather_schema(), {{"axis", int64_t{1}}});
  run.input(Tensor::from<int32_t>({2, 3}, {0, 1, 2, 3, 4, 5})).input(Tensor::from<int32_t>({2}, {2, 0}));
  EXPECT_EQ(values<int32_t>(run.reference()[0]), (std::vector<int32_t>{2, 0, 5, 3}));
  OpRun scalar(gather_schema());
  scalar.input(Tensor::from<int64_t>({3}, {5, 6, 7})).input(Tensor::from<int64_t>({}, {1}));
  EXPECT_EQ(scalar.site().outputs[0].shape, Shape{});
  EXPECT_EQ(values<int64_t>(scalar.reference()[0]), (std::vector<int64_t>{6}));
}

TEST(Gather, MarksIndicesOutsideTheTable) {
  OpRun run(gather_schema());
  run.input(random_tensor({3, 2}, 1)).input(Tensor::from<int64_t>({2}, {3, -4}));
  for (float y : floats(run.reference()[0])) EXPECT_TRUE(std::isnan(y));
}

TEST(Gather, DecodesRowsOfAQuantizedTable) {
  const Encoding encoding{find_number_format("int4"), Granularity::per_group(32)};
  Constant table(random_tensor({5, 40}, 7));
  table.set_encoding(encoding);
  const Tensor decoded = table.load_encoded("table")->decode();
  OpRun run(gather_schema());
  run.constant(table).input(Tensor::from<int64_t>({2}, {4, 1}));
  const std::vector<float> y = floats(run.reference()[0]);
  for (size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(y[i], floats(decoded)[4 * 40 + i]);
    EXPECT_EQ(y[40 + i], floats(decoded)[40 + i]);
  }
  const Cost cost = gather_schema().cost(run.site());
  EXPECT_LT(cost.weight_bytes, 2 * 40);  // two rows of about 4.8 bits an element, not the table
}

TEST(Gather, GivesF32WhenAsked) {
  const Tensor table = random_tensor({5, 4}, 7);
  OpRun run(gather_schema(), {{"to", int64_t{1}}});
  run.input(as_type(table, DType::bf16)).input(Tensor::from<int64_t>({1}, {2}));
  const Tensor y = run.reference()[0];
  EXPECT_EQ(y.dtype(), DType::f32);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(floats(y)[i], to_float(to_bfloat16(floats(table)[8 + i])));
}

}  // namespace
}  // namespace halftone
