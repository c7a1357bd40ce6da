#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"
#include "ops/conv/conv.h"
#include "ops/fused_activation.h"
#include "scheme/bf16/rounded_bf16.h"

namespace halftone {
namespace {

const Storage kLast{Storage::Order::channels_last, {}};

struct Case {
  Shape x, w;
  std::vector<int64_t> pads = {0, 0, 0, 0}, strides = {1, 1}, dilations = {1, 1};
  FusedActivation activation = {};
  bool bias = true, residual = false;
};

Tensor as_bf16(const Tensor& tensor) {
  Tensor made = Tensor::allocate(DType::bf16, tensor.shape());
  store_floats(tensor.span<float>(), made.mutable_view(), 0);
  return made;
}

void build(OpRun& run, const Case& c, const Shape& y) {
  run.stored(random_tensor(c.x, 1), kLast)
      .encoded_use(bf16_activations())
      .constant(Constant(as_bf16(random_tensor(c.w, 2))));
  if (c.bias)
    run.constant(Constant(random_tensor({c.w[0]}, 3)));
  else
    run.absent();
  if (c.residual) run.stored(random_tensor(y, 4), kLast);
  run.store_outputs({kLast});
}

// By instructions that multiply bf16, and in f32 by all others.
TEST(ConvBf16, CloseToTheReference) {
  const std::vector<Case> cases = {
      {.x = {1, 5, 5, 7}, .w = {17, 5, 1, 1}},
      {.x = {2, 40, 9, 9}, .w = {300, 40, 1, 1}, .bias = false},
      {.x = {2, 6, 11, 9},
       .w = {20, 6, 3, 3},
       .pads = {1, 1, 1, 1},
       .activation = {FusedActivation::Kind::relu}},
      {.x = {1, 33, 12, 9}, .w = {40, 33, 3, 2}, .pads = {1, 0, 2, 1}, .strides = {2, 3}},
      {.x = {1, 8, 13, 15}, .w = {7, 8, 3, 3}, .pads = {4, 4, 4, 4}, .dilations = {2, 3}},
      {.x = {1, 16, 20, 20}, .w = {24, 16, 3, 3}, .pads = {1, 1, 1, 1}, .residual = true},
      {.x = {1, 16, 8, 8}, .w = {24, 16, 1, 1}, .strides = {2, 2}},
  };
  for (const Case& c : cases) {
    Attributes attributes = {{"pads", c.pads}, {"strides", c.strides}, {"dilations", c.dilations}};
    OpRun shape(conv_schema(), attributes);
    shape.type(DType::f32, c.x).type(DType::bf16, c.w);
    const Shape y = shape.site().outputs[0].shape;
    set_fused_activation(attributes, c.activation);
    OpRun run(conv_schema(), attributes);
    build(run, c, y);
    const std::vector<float> expected = floats(run.reference()[0]);
    const double depth = static_cast<double>(c.w.elements() / c.w[0]);
    for (const Kernel* kernel : cpu_kernels("Conv")) {
      if (!kernel->name.starts_with("conv_bf16_") && !kernel->name.starts_with("conv_rounded_")) continue;
      ThreadPool one(1), two(2);
      const std::vector<float> found = floats(run_kernel(*kernel, run, one)[0]);
      // Numbers are normally distributed: no sum of magnitudes comes near twice its expected size.
      for (size_t i = 0; i < found.size(); ++i)
        ASSERT_NEAR(found[i], expected[i], (depth + 12) * 0x1p-24 * 2 * (depth + 4))
            << kernel->name << " " << c.x.str() << c.w.str() << " at " << i;
      EXPECT_EQ(floats(run_kernel(*kernel, run, two)[0]), found) << kernel->name;
    }
  }
}

}  // namespace
}  // namespace halftone
