#include "ops/normalization_gradient/normalization_gradient.h"

#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

TEST(NormalizationGradientKernel, EqualsTheReference) {
  for (const Kernel* kernel : cpu_kernels("NormalizationGradient"))
    for (const Shape& shape : {Shape{1, 1}, Shape{3, 17}, Shape{2, 129, 33}})
      for (int64_t centered : {0, 1}) {
        OpRun op(normalization_gradient_schema(), {{"centered", centered}});
        op.input(random_tensor(shape, 1)).input(random_tensor(shape, 2));
        ThreadPool threads(2);
        EXPECT_EQ(floats(run_kernel(*kernel, op, threads)[0]), floats(op.reference()[0])) << shape.str();
      }
}

}  // namespace
}  // namespace halftone
