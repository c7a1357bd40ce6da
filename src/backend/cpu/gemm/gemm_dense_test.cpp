#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"
#include "ops/gemm/gemm.h"

namespace halftone {
namespace {

TEST(GemmDense, EveryTranspositionAndSize) {
  const int64_t sizes[][3] = {{1, 1, 1}, {3, 17, 5}, {16, 16, 16}, {33, 47, 19}, {9, 600, 65}, {300, 33, 40}};
  for (const Kernel* kernel : cpu_kernels("Gemm")) {
    if (kernel->name.find("dense") == std::string_view::npos) continue;
    for (const auto& [m, k, n] : sizes)
      for (int form = 0; form < 8; ++form) {
        const int64_t trans_a = form & 1, trans_b = form >> 1 & 1;
        OpRun op(gemm_schema(), {{"transA", trans_a}, {"transB", trans_b}, {"alpha", 0.5f}, {"beta", 2.0f}});
        op.input(random_tensor(trans_a ? Shape{k, m} : Shape{m, k}, 1));
        op.input(random_tensor(trans_b ? Shape{n, k} : Shape{k, n}, 2));
        if (form & 4) op.input(random_tensor({n}, 3));
        ThreadPool one(1), two(2);
        const std::vector<float> y = floats(run_kernel(*kernel, op, one)[0]);
        const std::vector<float> expected = floats(op.reference()[0]);
        // k products of size about 1, each rounded, and C.
        const double bound = 4 * std::sqrt(static_cast<double>(k) + 8) * static_cast<double>(k + 8) * 0x1p-24;
        for (size_t i = 0; i < y.size(); ++i)
          ASSERT_NEAR(y[i], expected[i], bound)
              << kernel->name << " " << m << " " << k << " " << n << " form " << form;
        EXPECT_EQ(floats(run_kernel(*kernel, op, two)[0]), y);
      }
  }
}

TEST(GemmDense, LeavesActivationsToOthers) {
  OpRun op(gemm_schema(), {{"transB", int64_t{1}}, {"activation", std::string("relu")}});
  op.input(random_tensor({3, 8}, 1)).input(random_tensor({4, 8}, 2));
  for (const Kernel* kernel : cpu_kernels("Gemm"))
    if (kernel->name.find("dense") != std::string_view::npos)
      EXPECT_EQ(kernel->supports(op.site()), "it has an activation");
}

}  // namespace
}  // namespace halftone
