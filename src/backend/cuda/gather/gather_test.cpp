#include "ops/gather/gather.h"

#include <gtest/gtest.h>

#include "device_run.h"
#include "scheme/number_format.h"

namespace halftone::cuda {
namespace {

void expect_same(OpRun& run) {
  const Tensor found = run_on_test_device(cuda_kernel("gather"), run)[0], expected = run.reference()[0];
  const auto f = found.view().bytes(), e = expected.view().bytes();
  EXPECT_TRUE(std::equal(f.begin(), f.end(), e.begin(), e.end()));
}

TEST(CudaGather, CopiesSlicesOfAnyAxis) {
  for (int64_t axis : {0, 1, 2})
    for (int64_t inner : {1, 3, 8}) {
      OpRun run(gather_schema(), {{"axis", axis}});
      run.input(random_tensor({4, 5, inner}, 1)).input(Tensor::from<int64_t>({2, 2}, {0, -1, 3, 9}));
      expect_same(run);
    }
  OpRun order(gather_schema(), {{"axis", int64_t{1}}});
  order.input(random_tensor({3, 6}, 1)).input(Tensor::from<int32_t>({6}, {5, 3, 1, 0, 2, 4}));
  expect_same(order);
  OpRun none(gather_schema());
  none.input(random_tensor({3, 6}, 1)).input(Tensor::from<int32_t>({0}, {}));
  expect_same(none);
}

TEST(CudaGather, CopiesEveryType) {
  for (DType dtype : {DType::f16, DType::bf16})
    for (int64_t width : {5, 16}) {
      OpRun run(gather_schema());
      run.input(as_type(random_tensor({4, width}, 1), dtype)).input(Tensor::from<int64_t>({3}, {3, 0, 4}));
      expect_same(run);
      OpRun to_f32(gather_schema(), {{"to", int64_t{1}}});
      to_f32.input(as_type(random_tensor({4, width}, 1), dtype)).input(Tensor::from<int64_t>({3}, {3, 0, 1}));
      expect_same(to_f32);
    }
  OpRun longs(gather_schema());
  longs.input(Tensor::from<int64_t>({3}, {7, 8, 9})).input(Tensor::from<int64_t>({3}, {2, 0, 5}));
  expect_same(longs);
  OpRun bytes(gather_schema());
  bytes.input(Tensor::from<uint8_t>({3}, {7, 8, 9})).input(Tensor::from<int64_t>({3}, {2, 0, 5}));
  expect_same(bytes);
}

TEST(CudaGather, CodesStayAsTheyAre) {
  const Storage codes{Storage::Order::planar, CodeScale{0.02f, 120}};
  for (const Tensor& indices : {Tensor::from<int64_t>({}, {-1}), Tensor::from<int64_t>({2, 2}, {0, 2, 9, 1})})
    for (int64_t axis : {0, 1}) {
      OpRun run(gather_schema(), {{"axis", axis}});
      run.stored(random_tensor({3, 5, 16}, 1), codes).input(indices).store_outputs({codes});
      expect_same(run);
    }
}

TEST(CudaGather, DecodesQuantizedRows) {
  struct Case {
    const char* format;
    Granularity granularity;
    bool symmetric = true, real_minimum = false;
    DType scales = DType::f16;
    int64_t double_quant = 0;
  };
  for (const Case& c :
       {Case{"int4", Granularity::per_group(32)}, Case{"int4", Granularity::per_group(32), false},
        Case{"int8", Granularity::per_axis(0), true, false, DType::f32},
        Case{"int3", Granularity::per_group(16), false, true, DType::bf16},
        Case{"int8", Granularity::per_tensor()}, Case{"nf4", Granularity::per_group(16)},
        Case{"nf4", Granularity::per_group(16), true, false, DType::f32, 8},
        Case{"fp8_e4m3", Granularity::per_axis(0)}}) {
    Encoding encoding;
    encoding.format = find_number_format(c.format);
    ASSERT_TRUE(encoding.format) << c.format;
    encoding.granularity = c.granularity;
    encoding.symmetric = c.symmetric;
    encoding.real_minimum = c.real_minimum;
    encoding.scale_dtype = c.scales;
    encoding.double_quant_block = c.double_quant;
    OpRun run(gather_schema(), {{"to", int64_t{1}}});
    Constant table(random_tensor({5, 70}, 1));
    table.set_encoding(encoding);
    run.constant(table).input(Tensor::from<int64_t>({4}, {4, 0, -2, 5}));
    SCOPED_TRACE(encoding.str());
    expect_same(run);
  }
}

}  // namespace
}  // namespace halftone::cuda
