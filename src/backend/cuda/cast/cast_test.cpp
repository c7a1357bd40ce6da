#include "ops/cast/cast.h"

#include <cmath>
#include <gtest/gtest.h>

#include "device_run.h"
#include "ops/onnx_type.h"

namespace halftone::cuda {
namespace {

constexpr DType kTypes[] = {DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32,    DType::i16,
                            DType::i8,  DType::u32, DType::u16,  DType::u8,  DType::boolean};

Tensor cast_by_reference(const Tensor& x, DType to) {
  OpRun run(cast_schema(), {{"to", onnx_from_dtype(to)}});
  run.input(x);
  return run.reference()[0];
}

TEST(CudaCast, EveryPairOfTypesEqualsTheReference) {
  const Tensor floats = Tensor::from<float>({16}, {0, -0.0f, 0.4f, -0.6f, 1.5f, -2.5f, 127.5f, 300, -300,
                                                   70000, -70000, 3e9f, -3e9f, 2e19f, NAN, -INFINITY});
  for (DType from : kTypes)
    for (DType to : kTypes) {
      const Tensor x = cast_by_reference(floats, from);
      OpRun run(cast_schema(), {{"to", onnx_from_dtype(to)}});
      run.input(x);
      const Tensor found = run_on_test_device(cuda_kernel("cast"), run)[0], expected = run.reference()[0];
      const auto f = found.view().bytes(), e = expected.view().bytes();
      EXPECT_TRUE(std::equal(f.begin(), f.end(), e.begin(), e.end()))
          << dtype_name(from) << " to " << dtype_name(to);
    }
}

TEST(CudaCast, LongIntegersRoundOnce) {
  OpRun run(cast_schema(), {{"to", onnx_from_dtype(DType::f32)}});
  run.input(Tensor::from<int64_t>({3}, {(int64_t{1} << 60) + (int64_t{1} << 36) + 1, -16777217, 16777219}));
  EXPECT_EQ(values<float>(run_on_test_device(cuda_kernel("cast"), run)[0]),
            values<float>(run.reference()[0]));
}

}  // namespace
}  // namespace halftone::cuda
