#include "backend/cpu/subnormals_as_zero.h"

#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"
#include "ops/attention/attention.h"
#include "ops/conv/conv.h"
#include "ops/conv_transpose/conv_transpose.h"
#include "ops/gemm/gemm.h"
#include "ops/mat_mul/mat_mul.h"

namespace halftone {
namespace {

using Ints = std::vector<int64_t>;

constexpr float kSmallestNormal = 0x1p-126f;
constexpr float kRootOfSubnormal = 1e-20f;

#if defined(__x86_64__)
TEST(SubnormalsAsZero, WhileOneLives) {
  volatile float small = kSmallestNormal, half = 0.5f, subnormal = kSmallestNormal / 4;
  {
    const cpu::SubnormalsAsZero mode;
    EXPECT_EQ(float{small * half}, 0);
    EXPECT_EQ(float{subnormal * 8.0f}, 0);
    EXPECT_EQ(float{small * 1.0f}, kSmallestNormal);
  }
  EXPECT_EQ(float{small * half}, kSmallestNormal / 2);
  EXPECT_EQ(float{subnormal * 8.0f}, kSmallestNormal * 2);
}
#endif

/// Of products that are all subnormal, kernels make nothing else than 0 (or, on Arm, what the reference
/// makes), on any number of threads; so no product went the processor's slow way.
void expect_nothing(OpRun& run, std::string_view prefix) {
  const std::string_view op = run.site().schema->name;
  int kernels = 0;
  for (const Kernel* kernel : cpu_kernels(op)) {
    if (!kernel->name.starts_with(prefix)) continue;
    ++kernels;
    for (int count : {1, 2}) {
      ThreadPool threads(count);
      for (float y : floats(run_kernel(*kernel, run, threads)[0])) {
#if defined(__x86_64__)
        ASSERT_EQ(y, 0) << kernel->name << ", " << count << " threads";
#else
        ASSERT_LT(std::abs(y), kSmallestNormal) << kernel->name;
#endif
      }
    }
  }
  EXPECT_GT(kernels, 0) << prefix;
}

void expect_nothing(const OpSchema& schema, std::string_view op, std::string_view prefix, const Shape& x,
                    const Shape& w, const Attributes& attributes, const Storage& input) {
  OpRun run(schema, attributes);
  run.stored(random_tensor(x, 1, kRootOfSubnormal), input)
      .constant(Constant(random_tensor(w, 2, kRootOfSubnormal)));
  if (op != "Gemm") run.store_outputs({Storage{Storage::Order::channels_last, {}}});
  expect_nothing(run, prefix);
}

TEST(SubnormalsAsZero, InConvolutionsAndProducts) {
  const Storage planar{}, last{Storage::Order::channels_last, {}};
  const Attributes padded{{"pads", Ints{1, 1, 1, 1}}};
  const OpSchema& conv = conv_schema();
  expect_nothing(conv, "Conv", "conv_float_", {1, 19, 5, 7}, {37, 19, 1, 1}, {}, last);
  expect_nothing(conv, "Conv", "conv_float_", {2, 5, 9, 7}, {20, 5, 3, 3}, padded, last);
  expect_nothing(conv, "Conv", "conv_planar_", {1, 3, 11, 9}, {20, 3, 3, 3}, padded, planar);
  expect_nothing(conv, "Conv", "conv_depthwise_", {1, 21, 9, 11}, {21, 1, 3, 3},
                 {{"pads", Ints{1, 1, 1, 1}}, {"group", int64_t{21}}}, last);
  expect_nothing(conv, "Conv", "conv_winograd_float_", {1, 13, 11, 9}, {20, 13, 3, 3}, padded, last);
  expect_nothing(conv, "Conv", "conv_winograd_line_", {1, 21, 40}, {48, 21, 3}, {}, last);
  expect_nothing(conv_transpose_schema(), "ConvTranspose", "conv_transpose_", {2, 5, 4, 6}, {5, 7, 2, 2},
                 {{"strides", Ints{2, 2}}}, last);
  expect_nothing(gemm_schema(), "Gemm", "gemm_packed_", {17, 33}, {21, 33}, {{"transB", int64_t{1}}}, planar);
  for (const int64_t rows : {1, 3, 8, 17})
    expect_nothing(gemm_schema(), "Gemm", "gemm_float_", {rows, 33}, {21, 33}, {{"transB", int64_t{1}}},
                   planar);
}

TEST(SubnormalsAsZero, InProductsOfComputedMatrices) {
  for (const int64_t rows : {1, 17}) {
    const Tensor a = random_tensor({rows, 33}, 1, kRootOfSubnormal);
    OpRun gemm(gemm_schema()), turned(gemm_schema(), {{"transB", int64_t{1}}}), product(mat_mul_schema());
    gemm.input(a).input(random_tensor({33, 21}, 2, kRootOfSubnormal));
    turned.input(a).input(random_tensor({21, 33}, 2, kRootOfSubnormal));
    product.input(a).input(random_tensor({33, 21}, 2, kRootOfSubnormal));
    expect_nothing(gemm, "gemm_dense_");
    expect_nothing(turned, "gemm_dense_");
    expect_nothing(product, "mat_mul_float_");
  }
}

TEST(SubnormalsAsZero, InAttention) {
  for (const int64_t queries : {3, 70}) {
    OpRun attention(attention_schema());
    attention.input(random_tensor({1, 2, queries, 8}, 1))
        .input(random_tensor({1, 2, 20, 8}, 2))
        .input(random_tensor({1, 2, 20, 8}, 3, kSmallestNormal / 4))
        .drop_outputs(1);
    expect_nothing(attention, "attention_dense_");
  }
}

}  // namespace
}  // namespace halftone
