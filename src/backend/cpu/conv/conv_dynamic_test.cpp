#include "ops/conv/conv_dynamic.h"

#include <cmath>

#include "exact_kernels.h"
#include "int8_weights.h"
#include "ops/fused_activation.h"

namespace halftone::cpu {
namespace {

const Storage kLast{Storage::Order::channels_last, {}};

Encoding per_picture() {
  return {.format = find_number_format("int8"),
          .granularity = Granularity::per_token(),
          .timing = Timing::dynamic,
          .scale_dtype = DType::f32};
}

struct DynamicCase {
  Shape x, w;
  FusedActivation activation = {};
  bool bias = true, residual = false;
};

void build(OpRun& run, const DynamicCase& c) {
  run.stored(random_tensor(c.x, 1, 1.5f), kLast).encoded_use(per_picture()).constant(int8_weights(c.w, 2));
  if (c.bias)
    run.constant(Constant(random_tensor({c.w[0]}, 3)));
  else
    run.absent();
  if (c.residual) run.stored(random_tensor({c.x[0], c.w[0], c.x[2], c.x[3]}, 4), kLast);
  run.store_outputs({kLast});
}

TEST(ConvDynamic, EqualsTheReference) {
  const std::vector<DynamicCase> cases = {
      {.x = {1, 16, 7, 6}, .w = {24, 16, 3, 3}},
      {.x = {2, 9, 5, 6}, .w = {70, 9, 3, 3}, .activation = {FusedActivation::Kind::relu}},
      {.x = {2, 30, 5, 6}, .w = {85, 30, 3, 3}, .bias = false, .residual = true},
      {.x = {1, 3, 11, 9}, .w = {17, 3, 3, 3}, .activation = {FusedActivation::Kind::leaky_relu, 0.1f}},
  };
  for (const DynamicCase& c : cases) {
    Attributes attributes = {{"pads", std::vector<int64_t>{1, 1, 1, 1}}};
    set_fused_activation(attributes, c.activation);
    OpRun run(conv_schema(), attributes);
    build(run, c);
    EXPECT_EQ(expect_exact(run, "conv_int8_dynamic_", c.x.str()), code_tile_isas());
  }
}

TEST(ConvDynamic, StaysCloseToTheFloatingConvolution) {
  OpRun dynamic(conv_schema(), {}), floating(conv_schema(), {});
  build(dynamic, {.x = {2, 32, 8, 8}, .w = {16, 32, 3, 3}});
  floating.input(random_tensor({2, 32, 8, 8}, 1, 1.5f))
      .constant(Constant(random_tensor({16, 32, 3, 3}, 2, 0.2f)))
      .constant(Constant(random_tensor({16}, 3)));
  const std::vector<float> a = floats(dynamic.reference()[0]), b = floats(floating.reference()[0]);
  double error = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    error += std::pow(a[i] - b[i], 2);
    size += std::pow(b[i], 2);
  }
  EXPECT_LT(error, 3e-4 * size);
}

TEST(ConvDynamic, PicturesOfNothingAndOfNaN) {
  for (const float x : {0.0f, NAN}) {
    OpRun run(conv_schema(), {});
    Tensor picture = Tensor::allocate(DType::f32, {1, 4, 3, 3});
    for (float& value : picture.mutable_view().span<float>()) value = x;
    run.stored(picture, kLast).encoded_use(per_picture()).constant(int8_weights({6, 4, 3, 3}, 2));
    run.store_outputs({kLast});
    ThreadPool threads(1);
    for (const Kernel* kernel : cpu_kernels("Conv")) {
      if (!kernel->name.starts_with("conv_int8_dynamic_")) continue;
      const std::vector<float> y = floats(run_kernel(*kernel, run, threads)[0]);
      for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), std::isnan(x)) << kernel->name;
    }
  }
}

}  // namespace
}  // namespace halftone::cpu
