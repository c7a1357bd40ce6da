#include <gtest/gtest.h>

#include "device_run.h"
#include "int8_weights.h"
#include "ops/gemm/gemm.h"
#include "ops/gemm/gemm_integer.h"
#include "ops/mat_mul/mat_mul.h"

namespace halftone::cuda {
namespace {

struct Sizes {
  int64_t m, k, n;
};

TEST(CudaGemmCodes, EqualsTheReference) {
  for (const Sizes& s : {Sizes{67, 64, 40}, {1, 64, 10}, {1, 7, 3}, {50, 33, 70}, {5, 200, 17}})
    for (int64_t trans_b : {0, 1})
      for (bool to_codes : {true, false}) {
        const char* how = trans_b == 1 ? "fixed" : "floating";
        OpRun run(gemm_schema(), {{"transB", trans_b}, {"requantization", std::string(how)}});
        run.stored(random_tensor({s.m, s.k}, 1), {Storage::Order::planar, CodeScale{0.02f, 120}});
        run.constant(int8_weights(trans_b ? Shape{s.n, s.k} : Shape{s.k, s.n}, 2, trans_b ? 0 : 1));
        run.constant(Constant(random_tensor({s.n}, 3)));
        if (to_codes) run.store_outputs({{Storage::Order::planar, fit_codes(-3, 4)}});
        EXPECT_EQ(floats(run_on_test_device(cuda_kernel("gemm_codes"), run)[0]), floats(run.reference()[0]))
            << s.m << ' ' << s.k << ' ' << s.n << ' ' << how;
      }
}

TEST(CudaGemmCodes, MatMulOfManyDimensions) {
  OpRun run(mat_mul_schema());
  run.stored(random_tensor({2, 3, 11, 20}, 1), {Storage::Order::planar, CodeScale{0.03f, 0}});
  run.constant(int8_weights({20, 37}, 2, 1));
  run.store_outputs({{Storage::Order::planar, fit_codes(-3, 3)}});
  EXPECT_EQ(floats(run_on_test_device(cuda_kernel("mat_mul_codes"), run)[0]), floats(run.reference()[0]));
}

}  // namespace
}  // namespace halftone::cuda
