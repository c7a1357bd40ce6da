#include "exact_kernels.h"
#include "int8_weights.h"
#include "ops/gemm/gemm.h"
#include "ops/gemm/gemm_integer.h"
#include "ops/mat_mul/mat_mul.h"

namespace halftone::cpu {
namespace {

struct Sizes {
  int64_t m, k, n;
};

TEST(GemmCodes, EqualsTheReference) {
  for (const Sizes& s : {Sizes{100, 192, 144}, {1, 7, 3}, {50, 33, 130}, {5, 768, 17}, {97, 1, 64}})
    for (int64_t trans_b : {0, 1})
      for (const char* how : {"floating", "fixed"})
        for (bool to_codes : {true, false}) {
          OpRun run(gemm_schema(), {{"transB", trans_b}, {"requantization", std::string(how)}});
          run.stored(random_tensor({s.m, s.k}, 1), {Storage::Order::planar, CodeScale{0.02f, 120}});
          run.constant(int8_weights(trans_b ? Shape{s.n, s.k} : Shape{s.k, s.n}, 2, trans_b ? 0 : 1));
          run.constant(Constant(random_tensor({s.n}, 3)));
          if (to_codes) run.store_outputs({{Storage::Order::planar, fit_codes(-3, 4)}});
          EXPECT_EQ(expect_exact(run, "gemm_codes", fmt::format("{} {} {} {}", s.m, s.k, s.n, how)),
                    code_tile_isas());
        }
}

TEST(GemmWideCodes, EqualsTheReference) {
  for (const Sizes& s : {Sizes{70, 768, 80}, {1, 7, 3}, {50, 33, 130}, {5, 1, 17}})
    for (const char* how : {"floating", "fixed"}) {
      OpRun run(gemm_schema(), {{"requantization", std::string(how)}});
      run.stored(random_tensor({s.m, s.k}, 1), {Storage::Order::planar, CodeScale{0.02f, 120}});
      run.constant(int8_weights({s.k, s.n}, 2, 1));
      run.constant(Constant(random_tensor({s.n}, 3)));
      run.store_outputs({{Storage::Order::planar, fit_wide_codes(-5, 5)}});
      EXPECT_EQ(expect_exact(run, "gemm_wide_codes", fmt::format("{} {} {} {}", s.m, s.k, s.n, how)),
                code_tile_isas());
      // A step of 16 bits is far finer than the weights' error: the sums come out as they are. Fixed
      // multipliers round twice, and sums here are hardly finer than a step.
      const float steps = std::string(how) == "fixed" ? 0.76f : 0.51f;
      OpRun plain(gemm_schema(), {});
      plain.stored(random_tensor({s.m, s.k}, 1), {Storage::Order::planar, CodeScale{0.02f, 120}});
      plain.constant(int8_weights({s.k, s.n}, 2, 1));
      plain.constant(Constant(random_tensor({s.n}, 3)));
      const std::vector<float> a = floats(run.reference()[0]), b = floats(plain.reference()[0]);
      for (size_t i = 0; i < a.size(); ++i)
        EXPECT_NEAR(a[i], std::clamp(b[i], -5 - 5.0f / 32767, 5.0f), steps * fit_wide_codes(-5, 5).scale);
    }
}

TEST(GemmWideCodes, NoKernelOfEightBitsTakesThem) {
  OpRun run(gemm_schema());
  run.stored(random_tensor({3, 8}, 1), {Storage::Order::planar, fit_wide_codes(-1, 1)});
  run.constant(int8_weights({8, 5}, 2, 1));
  for (const Kernel* kernel : cpu_kernels("Gemm"))
    EXPECT_FALSE(kernel->refusal(run.site()).empty()) << kernel->name;
}

TEST(GemmCodes, MatMulOfManyDimensions) {
  OpRun run(mat_mul_schema());
  run.stored(random_tensor({2, 3, 11, 20}, 1), {Storage::Order::planar, CodeScale{0.03f, 0}});
  run.constant(int8_weights({20, 37}, 2, 1));
  run.store_outputs({{Storage::Order::planar, fit_codes(-3, 3)}});
  EXPECT_EQ(expect_exact(run, "mat_mul_codes", "MatMul"), code_tile_isas());
}

}  // namespace
}  // namespace halftone::cpu
