#include "backend/cpu/gemm/gemm_float.h"

#include <cmath>
#include <gtest/gtest.h>

#include "backend/cpu/gemm/gemm_testing.h"
#include "scheme/bf16/rounded_bf16.h"

namespace halftone::cpu {
namespace {

constexpr int64_t kRowCounts[] = {1, 2, 5, 8, 9, 13, 17};

/// sum over k of |a b|, for each output.
std::vector<double> magnitudes(const GemmCase& test, const Tensor& a) {
  const Tensor b = test.b.encoding() ? test.b.load_encoded("B")->decode() : to_f32(test.b.load());
  const size_t m = static_cast<size_t>(a.shape()[0]), k = static_cast<size_t>(a.shape()[1]);
  const size_t n = static_cast<size_t>(b.shape()[0]);
  std::vector<double> result(m * n);
  for (size_t row = 0; row < m; ++row)
    for (size_t out = 0; out < n; ++out)
      for (size_t i = 0; i < k; ++i)
        result[row * n + out] +=
            std::abs(double{a.span<float>()[row * k + i]} * double{b.span<float>()[out * k + i]});
  return result;
}

/// Every kernel of that name: within the bound of k roundings (and a few for decoding and C), and the same
/// bits from one thread and from two.
void expect_close(const GemmCase& test, std::string_view prefix, std::span<const int64_t> row_counts,
                  const std::string& what) {
  const auto kernels = kernels_named(prefix);
  EXPECT_FALSE(kernels.empty());
  for (const Kernel* kernel : kernels) {
    EXPECT_EQ(kernel->supports(test.site(1)), "");
    GemmRunner one(*kernel, test, 1), two(*kernel, test, 2);
    for (int64_t m : row_counts) {
      const Tensor a = random_tensor({m, test.b.shape()[1]}, static_cast<unsigned>(m));
      const std::vector<float> expected = test.reference(a);
      const std::vector<double> size = magnitudes(test, a);
      const std::vector<float> y = one.run(a);
      const double bound = static_cast<double>(a.shape()[1] + 8) * 0x1p-24;
      for (size_t i = 0; i < y.size(); ++i)
        ASSERT_NEAR(y[i], expected[i], bound * (size[i] + std::abs(expected[i]) + 4))
            << kernel->name << " " << what << " m " << m << " at " << i;
      EXPECT_EQ(two.run(a), y) << kernel->name << " " << what << " m " << m;
    }
  }
}

TEST(GemmFloat, EveryTypeAndSize) {
  unsigned seed = 0;
  for (DType dtype : {DType::f32, DType::f16, DType::bf16})
    for (const Shape& shape : {Shape{1, 1}, Shape{17, 172}, Shape{100, 64}, Shape{3, 1500}, Shape{33, 15}}) {
      const GemmCase test{.b = Constant(as_dtype(random_tensor(shape, ++seed), dtype))};
      expect_close(test, "gemm_float_", kRowCounts, std::string(dtype_name(dtype)) + shape.str());
    }
}

TEST(GemmFloat, ManyRows) {
  const int64_t rows[] = {64, 129, 300};
  for (DType dtype : {DType::f32, DType::bf16})
    expect_close({.b = Constant(as_dtype(random_tensor({70, 600}, 3), dtype))}, "gemm_float_", rows,
                 "many rows");
}

TEST(GemmFloat, ScalesAndAddends) {
  GemmCase test{.b = Constant(as_dtype(random_tensor({50, 96}, 1), DType::bf16)), .has_c = true};
  test.c = Constant(as_dtype(random_tensor({50}, 2), DType::f16));
  expect_close(test, "gemm_float_", kRowCounts, "bias");
  test.attributes.set("alpha", 0.3f);
  test.attributes.set("beta", 0.7f);
  expect_close(test, "gemm_float_", kRowCounts, "alpha, beta");
  test.c = Constant(random_tensor({1, 1}, 3));
  expect_close(test, "gemm_float_", kRowCounts, "one addend");
  test.attributes.set("activation", std::string("tanh"));
  expect_close(test, "gemm_float_", kRowCounts, "activation");
}

// Weights inside a mapped file lie at any byte.
TEST(GemmFloat, AnyAlignment) {
  for (DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    const Tensor aligned = as_dtype(random_tensor({20, 40}, 4), dtype);
    auto bytes = std::make_shared<std::vector<std::byte>>(aligned.size_bytes() + 1);
    std::memcpy(bytes->data() + 1, aligned.view().data, aligned.size_bytes());
    const Tensor b = Tensor::view_of(bytes, {dtype, {20, 40}, bytes->data() + 1});
    expect_close({.b = Constant(b)}, "gemm_float_", kRowCounts, "misaligned");
  }
}

TEST(GemmDecode, EveryFormat) {
  unsigned seed = 100;
  for (const NumberFormat* format : number_formats()) {
    if (format->bits() > 8) continue;
    for (const Granularity& granularity :
         {Granularity::per_tensor(), Granularity::per_axis(0), Granularity::per_group(32),
          Granularity::per_group(24), Granularity::per_group(20), Granularity::per_group(3)})
      for (bool symmetric : {true, false}) {
        if (!symmetric && !format->is_integer()) continue;
        Encoding encoding{.format = format, .granularity = granularity, .symmetric = symmetric};
        for (const Shape& shape : {Shape{17, 172}, Shape{3, 1100}, Shape{40, 64}, Shape{9, 384}}) {
          Constant b(random_tensor(shape, ++seed));
          b.set_encoding(encoding);
          expect_close({.b = b}, "gemm_decode_", std::span(kRowCounts).subspan(seed % 5, 3),
                       encoding.str() + shape.str());
        }
      }
  }
}

TEST(GemmDecode, EveryScaleType) {
  for (const char* format : {"int4", "nf4"}) {
    for (DType scale_dtype : {DType::f32, DType::f16, DType::bf16})
      for (const auto& [columns, group] : {std::pair(172, 64), {256, 32}, {640, 128}}) {
        Constant b(random_tensor({21, columns}, 1));
        b.set_encoding({.format = find_number_format(format),
                        .granularity = Granularity::per_group(group),
                        .scale_dtype = scale_dtype});
        expect_close({.b = b}, "gemm_decode_", kRowCounts, b.encoding()->str());
      }
    Constant b(random_tensor({20, 172}, 2));
    b.set_encoding({.format = find_number_format(format),
                    .granularity = Granularity::per_group(64),
                    .double_quant_block = 256});
    expect_close({.b = b}, "gemm_decode_", kRowCounts, b.encoding()->str());
  }
}

// Activations rounded to bf16: by instructions that multiply such numbers, and in f32 by all others.
TEST(GemmRounded, EveryTypeAndSize) {
  const Encoding rounded = bf16_activations();
  for (const char* prefix : {"gemm_bf16_", "gemm_rounded_"}) {
    if (kernels_named(prefix).empty()) continue;
    unsigned seed = 200;
    for (DType dtype : {DType::f32, DType::f16, DType::bf16})
      for (const Shape& shape : {Shape{1, 1}, Shape{17, 172}, Shape{100, 64}, Shape{33, 1500}}) {
        GemmCase test{.b = Constant(as_dtype(random_tensor(shape, ++seed), dtype)), .dynamic = &rounded};
        expect_close(test, prefix, kRowCounts, std::string(dtype_name(dtype)) + shape.str());
      }
    GemmCase test{.b = Constant(as_dtype(random_tensor({300, 600}, 3), DType::bf16)),
                  .has_c = true,
                  .dynamic = &rounded};
    test.c = Constant(random_tensor({300}, 2));
    test.attributes.set("activation", std::string("relu"));
    const int64_t many[] = {2, 64, 300};
    expect_close(test, prefix, many, "bias and activation");
    Constant codes(random_tensor({40, 96}, 5));
    for (const Granularity& granularity : {Granularity::per_axis(0), Granularity::per_group(32)}) {
      codes.set_encoding(
          {.format = find_number_format("int4"), .granularity = granularity, .symmetric = false});
      expect_close({.b = codes, .dynamic = &rounded}, prefix, kRowCounts, codes.encoding()->str());
    }
  }
}

TEST(GemmDecode, SaysWhyNot) {
  const auto kernels = kernels_named("gemm_decode_");
  if (kernels.empty()) GTEST_SKIP() << "this processor has none of the kernels' instruction sets";
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  GemmCase test{.b = Constant(random_tensor({4, 64}, 8))};
  EXPECT_EQ(kernels[0]->supports(test.site(1)), "B has no encoding");
  test.b.set_encoding({.format = find_number_format("nf4"), .granularity = Granularity::per_group(64)});
  EXPECT_EQ(kernels[0]->supports(test.site(1)), "");
  EXPECT_EQ(kernels_named("gemm_float_")[0]->supports(test.site(1)), "B is nf4 g64, not floating");
  test.dynamic = &per_token;
  EXPECT_EQ(kernels[0]->supports(test.site(1)), "A has a dynamic encoding");
}

}  // namespace
}  // namespace halftone::cpu
