#include "ops/group_normalization/group_normalization.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

const Storage kPlanar{}, kLast{Storage::Order::channels_last, {}};

/// Numbers that lie around `offset`, so that squares of the whole would cancel.
Tensor around(const Shape& shape, float offset) {
  Tensor x = random_tensor(shape, 1);
  for (float& value : x.mutable_view().span<float>()) value += offset;
  return x;
}

/// The mean errs by 2^-24 of what it is a mean of times the depth of the tree, and so does every difference
/// from it.
void expect_close(const char* kernel, OpRun& run, float offset) {
  const Tensor stored = run_on_test_device(cuda_kernel(kernel), run)[0];
  const auto found = floats(stored), expected = floats(run.reference()[0]);
  const float apart = rounded_apart(stored.dtype());
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], 0x1p-24f * 32 * (4 + offset) + apart * std::fabs(expected[i]))
        << kernel << ", element " << i;
}

TEST(CudaGroupNormalization, EqualsTheReference) {
  for (const auto& [shape, groups] : {std::pair{Shape{2, 6, 5, 7}, 3},
                                      {Shape{1, 8, 4, 8}, 2},
                                      {Shape{1, 64, 20, 33}, 32},
                                      {Shape{2, 4}, 2},
                                      {Shape{1, 4, 9000}, 1},
                                      {Shape{3, 40, 3}, 40}})
    for (const Storage& storage : {kPlanar, kLast})
      for (float offset : {0.0f, 100.0f}) {
        if (shape.rank() < 3 && storage.order != Storage::Order::planar) continue;
        // Few numbers may lie so close together that their deviation magnifies every error.
        if (offset > 0 && shape.elements() / shape[0] / groups < 32) continue;
        OpRun run(*find_op("GroupNormalization"), {{"num_groups", int64_t{groups}}, {"epsilon", 1e-3f}});
        run.stored(around(shape, offset), storage)
            .input(random_tensor({shape[1]}, 2))
            .input(random_tensor({shape[1]}, 3))
            .store_outputs({storage});
        SCOPED_TRACE(shape.str());
        expect_close("group_normalization", run, offset);
      }
}

TEST(CudaGroupNormalization, OfSixteenBits) {
  for (DType type : {DType::f16, DType::bf16})
    for (const Shape& shape : {Shape{2, 6, 5, 7}, Shape{1, 8, 4, 8}})
      for (const Storage& storage : {kPlanar, kLast}) {
        OpRun run(*find_op("GroupNormalization"), {{"num_groups", int64_t{2}}});
        run.stored(as_type(around(shape, 3), type), storage)
            .input(as_type(random_tensor({shape[1]}, 2), type))
            .input(as_type(random_tensor({shape[1]}, 3), type))
            .store_outputs({storage});
        expect_close("group_normalization", run, 3);
      }
}

TEST(CudaGroupNormalization, AGroupAChannel) {
  for (const Storage& storage : {kPlanar, kLast}) {
    OpRun run(*find_op("InstanceNormalization"));
    run.stored(around({2, 5, 6, 7}, 3), storage)
        .constant(Constant(random_tensor({5}, 2)))
        .constant(Constant(random_tensor({5}, 3)))
        .store_outputs({storage});
    expect_close("instance_normalization", run, 3);
  }
}

TEST(CudaBatchNormalization, EqualsTheReference) {
  for (const Storage& storage : {kPlanar, kLast})
    for (int64_t channels : {5, 8}) {
      OpRun run(*find_op("BatchNormalization"), {{"epsilon", 1e-3f}});
      run.stored(around({2, channels, 3, 4}, 3), storage);
      for (unsigned i : {2u, 3u, 4u}) run.constant(Constant(random_tensor({channels}, i)));
      Tensor variances = random_tensor({channels}, 5);
      for (float& v : variances.mutable_view().span<float>()) v = v * v + 0.2f;
      run.constant(Constant(variances)).store_outputs({storage}).drop_outputs(1);
      expect_close("batch_normalization", run, 3);
    }
}

}  // namespace
}  // namespace halftone::cuda
