#include "ops/attention/attention.h"

#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"
#include "ops/attention_gradient/attention_gradient.h"

namespace halftone {
namespace {

struct Case {
  int64_t batch, heads, kv_heads, length, keys, dim, v_dim;
  bool packed, causal;
  float softcap;
  int64_t window = 0;
};

constexpr Case kCases[] = {
    {1, 1, 1, 1, 1, 1, 1, false, true, 0},      {2, 4, 2, 5, 5, 3, 4, true, true, 0},
    {1, 2, 2, 7, 9, 8, 8, false, false, 0},     {1, 3, 1, 65, 65, 20, 17, true, true, 0},
    {2, 2, 1, 130, 130, 32, 32, true, true, 0}, {1, 4, 4, 70, 33, 16, 24, true, false, 2.5f},
    {1, 2, 1, 66, 66, 8, 8, false, true, 1.5f}, {1, 2, 1, 90, 90, 8, 8, true, true, 0, 7}};

void add_inputs(OpRun& op, const Case& c) {
  auto shape = [&](int64_t heads, int64_t length, int64_t dim) {
    return c.packed ? Shape{c.batch, length, heads * dim} : Shape{c.batch, heads, length, dim};
  };
  op.input(random_tensor(shape(c.heads, c.length, c.dim), 1));
  op.input(random_tensor(shape(c.kv_heads, c.keys, c.dim), 2));
  op.input(random_tensor(shape(c.kv_heads, c.keys, c.v_dim), 3));
}

Attributes attributes(const Case& c) {
  Attributes made = {{"is_causal", int64_t{c.causal}}, {"softcap", c.softcap}, {"window", c.window}};
  if (c.packed) made.set("q_num_heads", c.heads), made.set("kv_num_heads", c.kv_heads);
  return made;
}

/// Against the reference, which sums in double; and the same bits from one thread and from two.
void expect_close(OpRun& op, std::string_view name, const Case& c) {
  const std::vector<Tensor> expected = op.reference();
  for (const Kernel* kernel : cpu_kernels(name)) {
    ThreadPool one(1), two(2);
    const std::vector<Tensor> made = run_kernel(*kernel, op, one), again = run_kernel(*kernel, op, two);
    for (size_t o = 0; o < made.size(); ++o) {
      double largest = 0;
      for (float y : floats(expected[o])) largest = std::max(largest, std::abs(double{y}));
      // Scores are sums of dim products, and exp turns their rounding into a relative error of the weights.
      const double bound = 0x1p-24 * (largest + 1) * static_cast<double>(8 * c.dim + 2 * c.keys + 64);
      for (size_t i = 0; i < floats(made[o]).size(); ++i)
        ASSERT_NEAR(floats(made[o])[i], floats(expected[o])[i], bound)
            << kernel->name << " output " << o << " at " << i << ", length " << c.length;
      EXPECT_EQ(floats(made[o]), floats(again[o])) << kernel->name;
    }
  }
}

TEST(AttentionKernel, EqualsTheReference) {
  for (const Case& c : kCases) {
    OpRun op(attention_schema(), attributes(c));
    add_inputs(op, c);
    op.drop_outputs(1);
    expect_close(op, "Attention", c);
  }
}

/// Masks of every shape that broadcasts, shorter ones, and rows that see nothing: few queries and many.
TEST(AttentionKernel, MasksEqualTheReference) {
  const Case cases[] = {{2, 4, 2, 5, 9, 8, 8, true, false, 0},
                        {2, 2, 2, 70, 70, 16, 17, false, true, 0},
                        {2, 3, 1, 66, 33, 8, 8, true, false, 2.5f},
                        {2, 2, 1, 21, 40, 20, 8, false, false, 0, 30}};
  for (const Case& c : cases)
    for (const Shape& shape : {Shape{c.keys}, Shape{c.length, c.keys}, Shape{c.batch, 1, 1, c.keys},
                               Shape{c.heads, c.length, c.keys}, Shape{c.batch, c.heads, c.length, c.keys},
                               Shape{1, 1, c.length, c.keys - 3}})
      for (const bool boolean : {false, true}) {
        OpRun op(attention_schema(), attributes(c));
        add_inputs(op, c);
        Tensor mask = Tensor::allocate(boolean ? DType::boolean : DType::f32, shape);
        const int64_t keys = shape.back();
        for (int64_t i = 0; i < shape.elements(); ++i) {
          const bool seen = i % 3 != 0 && i / keys % 4 != 2;
          if (boolean)
            mask.mutable_view().span<bool>()[static_cast<size_t>(i)] = seen;
          else
            mask.mutable_view().span<float>()[static_cast<size_t>(i)] =
                seen ? 0.25f * static_cast<float>(i % 7) : -HUGE_VALF;
        }
        op.input(mask).drop_outputs(1);
        expect_close(op, "Attention", c);
      }
}

TEST(AttentionKernel, GradientEqualsTheReference) {
  for (const Case& c : kCases) {
    OpRun op(attention_gradient_schema(), attributes(c));
    op.input(random_tensor(
        c.packed ? Shape{c.batch, c.length, c.heads * c.v_dim} : Shape{c.batch, c.heads, c.length, c.v_dim},
        4));
    add_inputs(op, c);
    expect_close(op, "AttentionGradient", c);
  }
}

TEST(AttentionKernel, RefusesAPastAndFurtherOutputs) {
  OpRun op(attention_schema());
  op.type(DType::f32, {1, 1, 3, 4}).type(DType::f32, {1, 1, 3, 4}).type(DType::f32, {1, 1, 3, 4});
  op.type(DType::f32, {3, 3}).type(DType::f32, {1, 1, 2, 4}).type(DType::f32, {1, 1, 2, 4});
  for (const Kernel* kernel : cpu_kernels("Attention")) {
    EXPECT_EQ(kernel->supports(op.drop_outputs(4).site()), "more than Y is asked for");
    EXPECT_EQ(kernel->supports(op.drop_outputs(1).site()), "there is a past");
  }
}

}  // namespace
}  // namespace halftone
