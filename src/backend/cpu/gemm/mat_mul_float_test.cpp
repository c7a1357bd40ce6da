#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"
#include "ops/mat_mul/mat_mul.h"

namespace halftone {
namespace {

TEST(MatMulFloat, EqualsTheReference) {
  const std::pair<Shape, Shape> cases[] = {{{1, 1}, {1, 1}},
                                           {{5, 7}, {7, 3}},
                                           {{2, 3, 65, 20}, {2, 3, 20, 33}},
                                           {{3, 17, 8}, {8, 130}},
                                           {{2, 1, 4, 9}, {1, 5, 9, 2}},
                                           {{130, 64}, {64, 49}},
                                           {{2, 0}, {0, 3}}};
  for (const auto& [a, b] : cases) {
    OpRun run(mat_mul_schema());
    run.input(random_tensor(a, 1)).input(random_tensor(b, 2));
    const Tensor expected = run.reference()[0];
    for (const Kernel* kernel : float_kernels("MatMul")) {
      if (!kernel->supports(run.site()).empty()) continue;
      ThreadPool one(1), three(3);
      const Tensor made = run_kernel(*kernel, run, one)[0], again = run_kernel(*kernel, run, three)[0];
      const double bound =
          0x1p-23 * static_cast<double>(a.back() + 1) * 4;  // a sum of products of numbers of about 1
      for (size_t i = 0; i < expected.span<float>().size(); ++i) {
        ASSERT_NEAR(made.span<float>()[i], expected.span<float>()[i], bound)
            << kernel->name << " " << a.str() << b.str();
        ASSERT_EQ(made.span<float>()[i], again.span<float>()[i]) << kernel->name;
      }
    }
  }
}

}  // namespace
}  // namespace halftone
