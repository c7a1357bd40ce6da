#include <cmath>
#include <gtest/gtest.h>

#include "exact_kernels.h"

namespace halftone {
namespace {

const Storage kLast{Storage::Order::channels_last, {}};

/// Of those that take the site there is one.
void expect_reference(OpRun& run, const std::string& what) {
  ThreadPool threads(2);
  const std::vector<float> expected = floats(run.reference()[0]);
  int kernels = 0;
  for (const Kernel* kernel : float_kernels("Resize")) {
    if (!kernel->refusal(run.site()).empty()) continue;
    ++kernels;
    const std::vector<float> y = floats(run_kernel(*kernel, run, threads)[0]);
    for (size_t i = 0; i < y.size(); ++i)
      ASSERT_NEAR(y[i], expected[i], 1e-5f) << kernel->name << " " << what << " at " << i;
  }
  EXPECT_EQ(kernels, 1) << what;
}

TEST(ResizeKernel, EqualsTheReference) {
  for (const Storage& order : {kLast, Storage{}})
    for (const char* mode : {"nearest", "linear", "cubic"})
      for (const char* coordinates : {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"})
        for (int64_t antialias : {0, 1})
          for (const auto& [height, width] :
               {std::pair{2.0f, 2.0f}, std::pair{0.5f, 1.7f}, std::pair{1.0f, 0.3f}}) {
            if (antialias && mode[0] == 'n') continue;
            OpRun run(*find_op("Resize"), {{"mode", std::string(mode)},
                                           {"antialias", antialias},
                                           {"coordinate_transformation_mode", std::string(coordinates)}});
            run.stored(random_tensor({2, 19, 6, 7}, 1), order)
                .absent()
                .constant(Constant(Tensor::from<float>({4}, {1, 1, height, width})))
                .store_outputs({order});
            expect_reference(run, std::string(mode) + " " + coordinates);
          }
}

TEST(ResizeKernel, PlacesOutsideAreExtrapolated) {
  for (const Storage& order : {kLast, Storage{}}) {
    OpRun run(*find_op("Resize"), {{"mode", std::string("linear")},
                                   {"coordinate_transformation_mode", std::string("tf_crop_and_resize")},
                                   {"extrapolation_value", 7.0f}});
    run.stored(random_tensor({2, 3, 6, 7}, 1), order)
        .constant(Constant(Tensor::from<float>({8}, {0, 0, -0.3f, 0.2f, 1, 1, 0.8f, 1.4f})))
        .absent()
        .constant(Constant(Tensor::from<int64_t>({4}, {2, 3, 9, 11})))
        .store_outputs({order});
    expect_reference(run, "a part and what is beside it");
  }
}

/// Prepared while height and width are open.
TEST(ResizeKernel, TakesOpenSizes) {
  ThreadPool threads(2);
  const Constant scales(Tensor::from<float>({4}, {1, 1, 2, 1.5f}));
  for (const Storage& order : {kLast, Storage{}}) {
    OpRun run(*find_op("Resize"), {{"mode", std::string("linear")}});
    run.stored(random_tensor({2, 5, 6, 8}, 1), order).absent().constant(scales).store_outputs({order});
    const Shape unknown{2, 5, Shape::kUnknownDim, Shape::kUnknownDim};
    OpSite ahead = run.site();
    ahead.inputs[0].type.shape = ahead.outputs[0].shape = unknown;
    const std::vector<float> expected = floats(run.reference()[0]);
    for (const Kernel* kernel : float_kernels("Resize")) {
      if (!kernel->refusal(run.site()).empty()) continue;
      ASSERT_EQ(kernel->refusal(ahead), "");
      const auto prepared = kernel->prepare(ahead, threads);
      std::vector<std::byte> workspace(prepared->workspace_bytes(run.site()));
      std::vector<Tensor> outputs = run.outputs();
      const std::vector<MutableTensorView> views = OpRun::views(outputs);
      prepared->run({run.site(), run.operands(), views, workspace, threads});
      const std::vector<float> y = floats(run.plain_outputs(std::move(outputs))[0]);
      for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 1e-5f);
    }
  }
}

TEST(ResizeKernel, EqualsTheReferenceOnCodes) {
  const Storage codes{Storage::Order::channels_last, {{0.02f, 130}}};
  for (const char* mode : {"linear", "cubic"})
    for (const char* coordinates : {"half_pixel", "align_corners", "asymmetric"})
      for (const auto& [height, width] : {std::pair{2.0f, 2.0f}, std::pair{0.5f, 1.7f}}) {
        OpRun run(*find_op("Resize"), {{"mode", std::string(mode)},
                                       {"coordinate_transformation_mode", std::string(coordinates)}});
        run.stored(random_tensor({2, 37, 6, 7}, 1), codes)
            .absent()
            .constant(Constant(Tensor::from<float>({4}, {1, 1, height, width})))
            .store_outputs({codes});
        EXPECT_EQ(cpu::expect_exact(run, "resize_codes_", std::string(mode) + " " + coordinates),
                  cpu::int8_isas());
      }
}

TEST(ResizeKernel, OnCodesItIsWithinAStepOfTheRealNumber) {
  const CodeScale scale{0.02f, 130};
  const Storage codes{Storage::Order::channels_last, {scale}};
  const Tensor x = random_tensor({1, 5, 6, 7}, 1);
  const Constant scales(Tensor::from<float>({4}, {1, 1, 2, 3}));
  OpRun integer(*find_op("Resize"), {{"mode", std::string("linear")}});
  integer.stored(x, codes).absent().constant(scales).store_outputs({codes});
  // The same codes as numbers.
  Tensor rounded = Tensor::allocate(DType::f32, x.shape());
  for (size_t i = 0; i < x.span<float>().size(); ++i)
    rounded.mutable_view().span<float>()[i] =
        decode_activation(encode_activation(x.span<float>()[i], scale), scale);
  OpRun floating(*find_op("Resize"), {{"mode", std::string("linear")}});
  floating.input(rounded).absent().constant(scales);
  const std::vector<float> a = floats(integer.reference()[0]), b = floats(floating.reference()[0]);
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 0.62f * scale.scale) << i;
}

}  // namespace
}  // namespace halftone
