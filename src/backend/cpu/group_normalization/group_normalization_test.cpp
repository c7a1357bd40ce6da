#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

const Storage kPlanar, kLast{Storage::Order::channels_last, {}};

/// x of mean 2: sums must not lose the variance beside it.
Tensor shifted(const Shape& shape) {
  Tensor x = random_tensor(shape, 1, 3);
  for (float& v : x.mutable_view().span<float>()) v += 2;
  return x;
}

void expect_near_reference(std::string_view op, const Attributes& attributes, const Shape& shape,
                           const Storage& storage) {
  OpRun run(*find_op(op), attributes);
  run.stored(shifted(shape), storage)
      .constant(Constant(random_tensor({shape[1]}, 2)))
      .constant(Constant(random_tensor({shape[1]}, 3)))
      .store_outputs({storage});
  const std::vector<float> expected = floats(run.reference()[0]);
  const auto kernels = cpu_kernels(op);
  ASSERT_FALSE(kernels.empty());
  for (int count : {1, 3}) {
    ThreadPool threads(count);
    for (const Kernel* kernel : kernels) {
      const std::vector<float> y = floats(run_kernel(*kernel, run, threads)[0]);
      for (size_t i = 0; i < y.size(); ++i)
        ASSERT_NEAR(y[i], expected[i], 1e-4f * (1 + std::fabs(expected[i])))
            << op << " " << shape.str() << storage.str() << " at " << i;
    }
  }
}

TEST(GroupNormalizationKernel, EqualsTheReference) {
  for (const Storage& storage : {kPlanar, kLast})
    for (const Shape& shape : {Shape{2, 6, 5, 7}, Shape{1, 32, 33, 31}, Shape{3, 12, 1}, Shape{1, 6, 4099}})
      for (int64_t groups : {1, 2, 3}) {
        if (shape[1] % groups != 0) continue;
        expect_near_reference("GroupNormalization", {{"num_groups", groups}, {"epsilon", 1e-3f}}, shape,
                              storage);
      }
}

TEST(GroupNormalizationKernel, AnInstanceIsAGroupOfOneChannel) {
  for (const Storage& storage : {kPlanar, kLast})
    for (const Shape& shape : {Shape{2, 5, 9, 8}, Shape{1, 17, 130}})
      expect_near_reference("InstanceNormalization", {}, shape, storage);
}

}  // namespace
}  // namespace halftone
