#include "ops/gemm/gemm.h"

#include <cmath>
#include <gtest/gtest.h>

#include "device_run.h"
#include "ops/fused_activation.h"

namespace halftone::cuda {
namespace {

Tensor absolute(const Tensor& tensor) {
  Tensor result = Tensor::allocate(DType::f32, tensor.shape());
  const std::vector<float> values = floats(tensor);
  for (size_t i = 0; i < values.size(); ++i) result.mutable_view().span<float>()[i] = std::fabs(values[i]);
  return result;
}

Constant encoded(const Shape& shape, const Encoding& encoding, unsigned seed) {
  Constant constant(random_tensor(shape, seed));
  constant.set_encoding(encoding);
  return constant;
}

struct Case {
  Attributes attributes = {{"transB", int64_t{1}}};
  Shape a;
  Constant b;
  Constant c = {};
  bool has_c = false;
  float spread = 1;
  DType type = DType::f32;  ///< of A and Y
};

/// What rounding A and B' to f16 may change, as a multiple of sum |a b|: 2^-11 each where both are, 2^-20
/// for split f32 weights.
constexpr float kHalfBound = 0x1p-11f, kTwoHalves = 0x1p-10f, kSplitBound = 0x1p-20f;

void expect_close(Case test, float bound, int library_rows = 0, const Chip* chip = nullptr) {
  OpRun run(gemm_schema(), test.attributes),
      sizes(gemm_schema(), {{"transB", test.attributes.get_int("transB", 0)}});
  const Tensor a = as_type(random_tensor(test.a, 7, test.spread), test.type);
  run.input(a).constant(test.b);
  sizes.input(absolute(to_f32(a)))
      .constant(Constant(absolute(test.b.encoding() ? test.b.load_encoded("B")->decode() : test.b.load())));
  if (test.has_c) run.constant(test.c);
  const std::vector<float> expected = floats(run.reference()[0]), size = floats(sizes.reference()[0]);
  HostDevice device;  // whose products of many rows can come from the place of a library
  if (library_rows > 0) device.multiply_from(library_rows);
  if (chip) device.set_chip(*chip);
  const std::vector<float> y =
      floats((library_rows > 0 || chip ? run_on_device(cuda_kernel("gemm"), run, device)
                                       : run_on_test_device(cuda_kernel("gemm"), run))[0]);
  // f32 sums of k products, some hundred at a time.
  const float sums = static_cast<float>(test.a.back()) * 0x1p-23f + 0x1p-20f;
  for (size_t i = 0; i < y.size(); ++i)
    ASSERT_NEAR(
        y[i], expected[i],
        (bound + sums) * (size[i] + 1e-30f) + (0x1p-21f + rounded_apart(test.type)) * std::fabs(expected[i]))
        << test.a.str() << " by " << test.b.shape().str() << " "
        << (test.b.encoding() ? test.b.encoding()->str() : std::string(dtype_name(test.b.dtype()))) << " at "
        << i;
}

TEST(CudaGemm, PlainWeights) {
  for (int64_t m : {1, 2, 3, 8, 9})
    for (const Shape& b : {Shape{1, 7}, Shape{16, 32}, Shape{35, 100}}) {
      const Tensor w = random_tensor(b, 2);
      expect_close({.a = {m, b[1]}, .b = Constant(w)}, kSplitBound);
      expect_close({.a = {m, b[1]}, .b = Constant(as_type(w, DType::f16))}, kHalfBound);
      expect_close({.a = {m, b[1]}, .b = Constant(as_type(w, DType::bf16))}, kHalfBound);
    }
}

TEST(CudaGemm, ManyColumns) {
  expect_close({.a = {2, 1500}, .b = Constant(random_tensor({20, 1500}, 3))}, kSplitBound);
  expect_close({.a = {1, 5000}, .b = Constant(as_type(random_tensor({5, 5000}, 3), DType::f16))}, kHalfBound);
}

/// More columns than a block of few_tokens holds of 8 rows at a time.
TEST(CudaGemm, ManyColumnsOfManyRows) {
  unsigned seed = 700;
  for (const char* format : {"int2", "int4", "int8", "nf4", "fp8_e4m3"})
    for (int64_t group : {32, 96, 128})
      expect_close({.a = {8, 8800},
                    .b = encoded({18, 8800},
                                 {.format = find_number_format(format),
                                  .granularity = Granularity::per_group(group),
                                  .symmetric = group == 96},
                                 ++seed)},
                   kHalfBound + 0x1p-12f);
  for (const char* format : {"int4", "nf4"})
    expect_close({.a = {8, 8800},
                  .b = encoded({18, 8800},
                               {.format = find_number_format(format),
                                .granularity = Granularity::per_group(64),
                                .symmetric = true,
                                .scale_dtype = DType::f32},
                               ++seed)},
                 kHalfBound + 0x1p-12f);
  expect_close({.a = {7, 8800}, .b = Constant(as_type(random_tensor({5, 8800}, 3), DType::f16))}, kHalfBound);
}

/// Rows of 16 bits lose nothing that is near their largest number; f16 weights neither.
TEST(CudaGemm, RowsOfSixteenBits) {
  unsigned seed = 900;
  for (DType type : {DType::f16, DType::bf16})
    for (int64_t m : {1, 7, 20, 40, 70}) {
      const Constant w(as_type(random_tensor({36, 104}, ++seed), type));
      expect_close({.a = {m, 104}, .b = w, .type = type}, 0x1p-20f);
      expect_close({.a = {2, m, 35}, .b = Constant(random_tensor({5, 35}, ++seed)), .type = type},
                   kSplitBound);
      expect_close({.attributes = {{"transB", int64_t{1}}, {"activation", std::string("silu")}},
                    .a = {m, 104},
                    .b = w,
                    .c = Constant(as_type(random_tensor({36}, ++seed), type)),
                    .has_c = true,
                    .type = type},
                   0x1p-20f);
      expect_close({.a = {m, 104}, .b = w, .type = type}, 0x1p-20f, 9);
    }
  for (float spread : {1e-6f, 1e30f})
    expect_close({.a = {12, 40},
                  .b = Constant(as_type(random_tensor({3, 40}, 3), DType::bf16)),
                  .spread = spread,
                  .type = DType::bf16},
                 0x1p-20f);
}

TEST(CudaGemm, UnusualMagnitudes) {
  for (float spread : {1e-30f, 1e-6f, 1e6f, 1e30f}) {
    expect_close({.a = {2, 40}, .b = Constant(random_tensor({3, 40}, 3, 1e-5f)), .spread = spread},
                 kSplitBound);
    expect_close({.a = {2, 40}, .b = Constant(random_tensor({3, 40}, 3, 1e5f)), .spread = spread},
                 kSplitBound);
  }
}

TEST(CudaGemm, ManyRows) {
  const Tensor w = random_tensor({20, 100}, 2);
  expect_close({.a = {17, 100}, .b = Constant(w)}, kSplitBound);
  for (int64_t m : {10, 17}) expect_close({.a = {m, 100}, .b = Constant(as_type(w, DType::f16))}, kTwoHalves);
  expect_close({.a = {70, 70}, .b = Constant(as_type(random_tensor({130, 70}, 2), DType::bf16))}, kTwoHalves);
  unsigned seed = 300;
  for (const char* format : {"int2", "int4", "int8", "nf4", "fp8_e4m3", "fp8_e5m2"})
    for (int64_t group : {32, 48, 128, 0})
      expect_close(
          {.a = {++seed % 2 ? 10 : 17, 150},
           .b = encoded({20, 150},
                        {.format = find_number_format(format),
                         .granularity = group ? Granularity::per_group(group) : Granularity::per_axis(0),
                         .symmetric = group % 64 == 0,
                         .scale_dtype = group == 48 ? DType::f32 : DType::f16},
                        seed)},
          kTwoHalves);
}

TEST(CudaGemm, ByTheVendorsLibrary) {
  const Tensor w = random_tensor({20, 100}, 2);
  for (DType dtype : {DType::f16, DType::bf16, DType::f32})
    expect_close({.a = {17, 100}, .b = Constant(as_type(w, dtype))}, kTwoHalves, 9);
  unsigned seed = 500;
  for (const char* format : {"int2", "int4", "int8", "nf4", "fp8_e4m3", "fp8_e5m2"})
    for (int64_t group : {32, 48, 128, 0})
      expect_close(
          {.a = {9, 150},
           .b = encoded({20, 150},
                        {.format = find_number_format(format),
                         .granularity = group ? Granularity::per_group(group) : Granularity::per_axis(0),
                         .symmetric = group % 64 == 0,
                         .scale_dtype = group == 48 ? DType::f32 : DType::f16},
                        ++seed)},
          kTwoHalves, 9);
}

/// Unpacked 1024 outputs at a time.
TEST(CudaGemm, ByTheVendorsLibraryInPieces) {
  Case test{.a = {9, 16 << 10},
            .b = encoded({1040, 16 << 10},
                         {.format = find_number_format("int4"), .granularity = Granularity::per_axis(0)}, 3),
            .c = Constant(random_tensor({1040}, 4)),
            .has_c = true};
  set_fused_activation(test.attributes, {FusedActivation::Kind::relu});
  expect_close(test, kTwoHalves, 9);
}

TEST(CudaGemm, SharesOutTheColumns) {
  expect_close({.a = {9, 1100}, .b = Constant(random_tensor({6, 1100}, 3))}, kSplitBound);
  expect_close(
      {.a = {9, 1100},
       .b = encoded({6, 1100},
                    {.format = find_number_format("int4"), .granularity = Granularity::per_group(128)}, 3)},
      kTwoHalves);
}

/// Blocks end one tile of Y and begin the next, and rows are more than a tile has.
TEST(CudaGemm, SharesOutTheTiles) {
  const auto ints = [](const char* format, int64_t group, bool symmetric) {
    return encoded({266, 384},
                   {.format = find_number_format(format),
                    .granularity = Granularity::per_group(group),
                    .symmetric = symmetric},
                   7);
  };
  const Chip ampere{80, 3, 163 << 10};
  for (const auto& [format, group, symmetric, rows] :
       {std::tuple{"int4", 32, true, 70}, {"int4", 96, false, 40}, {"int8", 384, true, 40}})
    expect_close({.a = {rows, 384}, .b = ints(format, group, symmetric)}, kTwoHalves, 0, &ampere);
  expect_close({.a = {33, 192}, .b = Constant(as_type(random_tensor({300, 192}, 3), DType::f16))}, kTwoHalves,
               0, &ampere);
  expect_close({.a = {66, 192}, .b = Constant(random_tensor({140, 192}, 3))}, kSplitBound);
}

TEST(CudaGemm, SomeRows) {
  unsigned seed = 900;
  for (int64_t m : {9, 16, 31})
    for (const char* format : {"int4", "int8"})
      for (int64_t group : {32, 48, 96, 700})
        expect_close({.a = {m, 700},
                      .b = encoded({90, 700},
                                   {.format = find_number_format(format),
                                    .granularity = Granularity::per_group(group),
                                    .symmetric = group % 96 != 0,
                                    .scale_dtype = group == 48 ? DType::f32 : DType::f16},
                                   ++seed)},
                     kTwoHalves);
  for (int64_t n : {15, 16, 100})
    expect_close({.a = {18, 300}, .b = Constant(as_type(random_tensor({n, 300}, 3), DType::bf16))},
                 kTwoHalves);
}

TEST(CudaGemm, ByWarpgroups) {
  unsigned seed = 800;
  const Chip hopper{90, 3, 227 << 10};
  for (int64_t m : {34, 130})
    for (const char* format : {"int4", "int8"})
      for (int64_t group : {32, 96, 320})
        expect_close({.a = {m, 320},
                      .b = encoded({group == 96 ? 266 : 40, 320},
                                   {.format = find_number_format(format),
                                    .granularity = Granularity::per_group(group),
                                    .symmetric = group != 96,
                                    .scale_dtype = group == 32 ? DType::f32 : DType::f16},
                                   ++seed)},
                     kTwoHalves, 0, &hopper);
  expect_close({.a = {70, 192}, .b = Constant(as_type(random_tensor({300, 192}, 3), DType::f16))}, kTwoHalves,
               0, &hopper);
}

TEST(CudaGemm, StoredAcross) {
  expect_close({.attributes = {}, .a = {3, 40}, .b = Constant(random_tensor({40, 21}, 3))}, kSplitBound);
}

TEST(CudaGemm, EveryIntegerWidth) {
  unsigned seed = 0;
  for (const char* format : {"int2", "int3", "int4", "int5", "int6", "int8"})
    for (bool symmetric : {true, false})
      for (const Granularity& granularity :
           {Granularity::per_tensor(), Granularity::per_axis(0), Granularity::per_group(32),
            Granularity::per_group(64), Granularity::per_group(128)})
        expect_close(
            {.a = {1 + ++seed % 8, 300},
             .b = encoded(
                 {19, 300},
                 {.format = find_number_format(format), .granularity = granularity, .symmetric = symmetric},
                 seed)},
            kHalfBound);
}

TEST(CudaGemm, EveryScaleTypeAndGroupLength) {
  unsigned seed = 100;
  for (DType scale_dtype : {DType::f32, DType::f16, DType::bf16})
    for (int64_t group : {3, 16, 40, 96, 1000})
      expect_close({.a = {2, 172},
                    .b = encoded({17, 172},
                                 {.format = find_number_format("int4"),
                                  .granularity = Granularity::per_group(group),
                                  .symmetric = group % 3 == 0,
                                  .scale_dtype = scale_dtype},
                                 ++seed)},
                   kHalfBound);
}

TEST(CudaGemm, CodeBooksAndSmallFloats) {
  unsigned seed = 200;
  for (const char* format : {"nf4", "quantile2", "quantile3", "quantile4", "fp8_e4m3", "fp8_e5m2"})
    for (int64_t group : {32, 64, 0})
      for (int64_t nested : {0, 256})
        expect_close(
            {.a = {1 + ++seed % 4, 200},
             .b = encoded({18, 200},
                          {.format = find_number_format(format),
                           .granularity = group ? Granularity::per_group(group) : Granularity::per_axis(0),
                           .double_quant_block = nested},
                          seed)},
            kTwoHalves);
}

TEST(CudaGemm, RealMinimum) {
  for (const char* format : {"int4", "int5", "int8"}) {
    const int64_t n = 20, k = 150, groups = 5;
    QuantizedTensor::Parts parts;
    parts.encoding = {.format = find_number_format(format),
                      .granularity = Granularity::per_group(32),
                      .symmetric = false,
                      .real_minimum = true};
    parts.shape = {n, k};
    const int bits = parts.encoding.format->bits();
    const auto row_bytes = static_cast<size_t>((k * bits + 7) / 8);
    parts.codes = Tensor::allocate(DType::u8, {n, static_cast<int64_t>(row_bytes)});
    std::mt19937 random(9);
    std::vector<uint8_t> codes(static_cast<size_t>(k));
    for (size_t row = 0; row < static_cast<size_t>(n); ++row) {
      for (uint8_t& code : codes) code = static_cast<uint8_t>(random() & ((1u << bits) - 1));
      pack_bits(codes, bits, parts.codes.mutable_view().bytes().subspan(row * row_bytes, row_bytes));
    }
    parts.scales = as_type(random_tensor({n, groups}, 10), DType::f16);
    parts.minima = as_type(random_tensor({n, groups}, 11), DType::f16);
    expect_close({.a = {3, k}, .b = Constant(std::make_shared<QuantizedTensor>(parts, "B"))}, kTwoHalves);
  }
}

TEST(CudaGemm, Addends) {
  const Constant b(random_tensor({20, 40}, 3));
  for (const Shape& c : {Shape{20}, Shape{1, 20}, Shape{}, Shape{3, 1}, Shape{3, 20}})
    expect_close({.attributes = {{"transB", int64_t{1}}, {"alpha", 0.5f}, {"beta", 0.25f}},
                  .a = {3, 40},
                  .b = b,
                  .c = Constant(random_tensor(c, 5)),
                  .has_c = true},
                 kSplitBound);
  OpRun run(gemm_schema(), {{"transB", int64_t{1}}});
  run.input(random_tensor({2, 3, 40}, 1)).constant(b).input(random_tensor({20}, 2));
  const auto found = floats(run_on_test_device(cuda_kernel("gemm"), run)[0]),
             expected = floats(run.reference()[0]);
  for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-4f);
}

TEST(CudaGemm, Activations) {
  using Kind = FusedActivation::Kind;
  for (const FusedActivation& activation : {FusedActivation{Kind::relu},
                                            {Kind::clip, -1, 1},
                                            {Kind::leaky_relu, 0.1f},
                                            {Kind::sigmoid},
                                            {Kind::silu},
                                            {Kind::hard_sigmoid, 0.2f, 0.5f},
                                            {Kind::hard_swish},
                                            {Kind::tanh},
                                            {Kind::gelu},
                                            {Kind::gelu_tanh}}) {
    Case test{.a = {1, 40}, .b = Constant(random_tensor({20, 40}, 3))};
    set_fused_activation(test.attributes, activation);
    expect_close(std::move(test), kSplitBound);
  }
}

TEST(CudaGemm, TakesNoRows) {
  OpRun run(gemm_schema(), {{"transB", int64_t{1}}});
  run.input(random_tensor({0, 8}, 1)).constant(Constant(random_tensor({3, 8}, 2)));
  EXPECT_EQ(run_on_test_device(cuda_kernel("gemm"), run)[0].shape(), (Shape{0, 3}));
}

TEST(CudaGemm, SaysWhyNot) {
  const auto refusal = [](Attributes attributes, Constant b) {
    OpRun run(gemm_schema(), std::move(attributes));
    run.input(random_tensor({8, 8}, 1)).constant(std::move(b));
    return cuda_kernel("gemm").supports(run.site());
  };
  const Constant plain(random_tensor({8, 8}, 2));
  EXPECT_EQ(refusal({{"transA", int64_t{1}}}, plain), "transA is 1");
  EXPECT_EQ(
      refusal({},
              encoded({8, 8}, {.format = find_number_format("int4"), .granularity = Granularity::per_axis(0)},
                      1)),
      "transB is 0 and B has an encoding");
  EXPECT_EQ(refusal({}, plain), "");
}

}  // namespace
}  // namespace halftone::cuda
