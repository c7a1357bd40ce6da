#include "ops/arithmetic/arithmetic.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

TEST(CudaArithmetic, EqualsTheReferenceExactly) {
  const std::pair<Shape, Shape> pairs[] = {{{3, 5}, {3, 5}},
                                           {{4, 256}, {4, 256}},
                                           {{4, 64}, {1}},
                                           {{}, {8}},
                                           {{2, 3, 7}, {7}},
                                           {{7}, {2, 3, 7}},
                                           {{2, 3, 4, 5}, {3, 1, 1}},
                                           {{2, 1, 4}, {1, 3, 1}},
                                           {{1, 3, 8}, {2, 3, 8}},
                                           {{2, 1, 3, 1, 2}, {1, 5, 1, 4, 1}},
                                           {{0, 4}, {4}}};
  for (const auto& [kernel, op] : {std::pair{"add", "Add"}, {"sub", "Sub"}, {"mul", "Mul"}, {"div", "Div"}})
    for (const auto& [a, b] : pairs) {
      OpRun run(*find_op(op));
      run.input(random_tensor(a, 1)).input(random_tensor(b, 2));
      EXPECT_EQ(floats(run_on_test_device(cuda_kernel(kernel), run)[0]), floats(run.reference()[0]))
          << kernel << " of " << a.str() << " and " << b.str();
    }
}

}  // namespace
}  // namespace halftone::cuda
