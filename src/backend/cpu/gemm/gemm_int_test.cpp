#include "backend/cpu/gemm/gemm_int.h"

#include <cmath>
#include <gtest/gtest.h>

#include "backend/cpu/gemm/gemm_testing.h"
#include "backend/packed_later.h"
#include "backend/packed_store.h"

namespace halftone::cpu {
namespace {

constexpr int64_t kRowCounts[] = {1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 33, 50};

/// Whether a product of m rows is too large for tests/avxvnni_emulator.cpp.
bool is_too_large(const Kernel& kernel, const GemmCase& test, int64_t m) {
  constexpr int64_t kMost = 1 << 20;
  return kernel.isa == Isa::avxvnni && m * test.b.shape().elements() > kMost;
}

/// Every kernel, one and two threads (one of them where it may be emulated), gives the reference's very bits.
void expect_equal(const GemmCase& test, std::span<const int64_t> row_counts, const std::string& what) {
  for (const Kernel* kernel : kernels_named("gemm_int_")) {
    EXPECT_EQ(kernel->supports(test.site(1)), "");
    GemmRunner one(*kernel, test, 1), two(*kernel, test, 2);
    for (int64_t m : row_counts) {
      if (is_too_large(*kernel, test, m)) continue;
      const Tensor a = random_tensor({m, test.b.shape()[1]}, static_cast<unsigned>(m));
      const std::vector<float> expected = test.reference(a);
      const bool both = kernel->isa != Isa::avxvnni;
      if (both || m % 2 == 0) {
        EXPECT_EQ(one.run(a), expected) << kernel->name << " " << what << " m " << m;
      }
      if (both || m % 2 == 1) {
        EXPECT_EQ(two.run(a), expected) << kernel->name << " " << what << " m " << m << " two threads";
      }
    }
  }
}

Constant encoded(const Shape& shape, const Encoding& encoding, unsigned seed) {
  Constant constant(random_tensor(shape, seed));
  constant.set_encoding(encoding);
  return constant;
}

TEST(GemmInt, ThereIsOneForEachInstructionSet) {
  for (Isa isa : {Isa::avx2, Isa::avxvnni, Isa::avx512vnni, Isa::amx, Isa::neondot, Isa::neoni8mm}) {
    const auto kernels = kernels_named("gemm_int_" + std::string(isa_name(isa)));
    EXPECT_EQ(kernels.size(), cpu_has(isa) ? 1u : 0u) << isa_name(isa);
  }
}

TEST(GemmInt, EveryWidthAndGranularity) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  unsigned seed = 0;
  for (const char* format : {"int2", "int3", "int4", "int5", "int6", "int7", "int8"}) {
    if (!find_number_format(format)) continue;
    for (bool symmetric : {true, false})
      for (const Granularity& granularity :
           {Granularity::per_tensor(), Granularity::per_axis(0), Granularity::per_group(16),
            Granularity::per_group(32), Granularity::per_group(64), Granularity::per_group(128)})
        for (const Shape& shape : {Shape{17, 172}, Shape{100, 64}, Shape{1, 256}}) {
          const Encoding encoding{
              .format = find_number_format(format), .granularity = granularity, .symmetric = symmetric};
          const GemmCase test{.b = encoded(shape, encoding, ++seed), .dynamic = &per_token};
          const int64_t rows[] = {kRowCounts[seed % 4], kRowCounts[4 + seed % 5], kRowCounts[9 + seed % 4]};
          expect_equal(test, rows, encoding.str() + " " + shape.str());
        }
  }
}

/// All codes 255 and all activations 127, with either sign: sums as large as they get.
TEST(GemmInt, TheLargestSums) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  for (const char* format : {"int4", "int8"})
    for (int64_t group : {64, 128, 256, 1024}) {
      const Encoding encoding{.format = find_number_format(format),
                              .granularity = Granularity::per_group(group),
                              .symmetric = false};
      constexpr int64_t n = 20, k = 1024;
      Tensor weights = Tensor::allocate(DType::f32, {n, k});
      const std::span<float> all = weights.mutable_view().span<float>();
      for (size_t i = 0; i < all.size(); ++i) all[i] = i / k % 2 == 0 ? 1.0f : -1.0f;
      Constant b(std::move(weights));
      b.set_encoding(encoding);
      const GemmCase test{.b = b, .dynamic = &per_token};
      for (const Kernel* kernel : kernels_named("gemm_int_"))
        for (int64_t m : {1, 2, 3, 4, 9, 18}) {
          Tensor a = Tensor::allocate(DType::f32, {m, k});
          const std::span<float> rows = a.mutable_view().span<float>();
          for (size_t i = 0; i < rows.size(); ++i) rows[i] = i / k % 3 == 0 ? -1.0f : 1.0f;
          GemmRunner runner(*kernel, test, 1);
          EXPECT_EQ(runner.run(a), test.reference(a)) << kernel->name << " " << encoding.str() << " m " << m;
        }
    }
}

TEST(GemmInt, EveryScaleTypeAndGroupLength) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  unsigned seed = 1000;
  for (DType scale_dtype : {DType::f32, DType::f16, DType::bf16})
    for (int64_t group : {1, 3, 4, 20, 32, 36, 1000}) {
      const Encoding encoding{.format = find_number_format("int4"),
                              .granularity = Granularity::per_group(group),
                              .symmetric = false,
                              .scale_dtype = scale_dtype};
      for (int64_t columns : {172, 192}) {
        const GemmCase test{.b = encoded({33, columns}, encoding, ++seed), .dynamic = &per_token};
        expect_equal(test, std::span(kRowCounts), encoding.str() + " " + std::to_string(columns));
      }
    }
}

/// Leaves all constants for later.
struct AllWait : PackedStore {
  std::vector<PackedLater*> left;
  std::shared_ptr<const std::byte> find(size_t) override { return nullptr; }
  void keep(std::shared_ptr<const std::byte>, size_t) override { ADD_FAILURE() << "packed at once"; }
  bool leave(PackedLater& constant) override {
    left.push_back(&constant);
    return true;
  }
};

TEST(GemmInt, WeightsThatAreNotPackedYet) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  const int64_t row_counts[] = {1, 3, 8, 17, 50, 530};
  unsigned seed = 4000;
  for (const char* format : {"int2", "int3", "int4", "int8"})
    for (const Shape& shape : {Shape{17, 172}, Shape{300, 64}, Shape{2000, 256}}) {
      const Encoding encoding{.format = find_number_format(format),
                              .granularity = Granularity::per_group(32),
                              .symmetric = seed % 2 == 0};
      const GemmCase test{.b = encoded(shape, encoding, ++seed), .dynamic = &per_token};
      for (const Kernel* kernel : kernels_named("gemm_int_"))
        for (int threads : {1, 2}) {
          AllWait store;
          const PackedStore::Scope scope(&store);
          GemmRunner runner(*kernel, test, threads);
          ASSERT_EQ(store.left.size(), 1u);
          EXPECT_EQ(store.left[0]->bytes(), runner.prepared().packed_bytes());
          for (const char* when : {"before", "after"}) {
            for (int64_t m : row_counts) {
              if (is_too_large(*kernel, test, m)) continue;
              const Tensor a = random_tensor({m, shape[1]}, static_cast<unsigned>(m));
              EXPECT_EQ(runner.run(a), test.reference(a))
                  << kernel->name << " " << encoding.str() << " m " << m << " " << when;
            }
            if (*when == 'b') store.left[0]->pack(runner.threads());
          }
        }
    }
}

TEST(GemmInt, OutliersWaitForPackedWeights) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  const Encoding encoding{.format = find_number_format("int8"), .granularity = Granularity::per_axis(0)};
  GemmCase test{.b = encoded({37, 172}, encoding, 1), .dynamic = &per_token};
  test.attributes.set("outlier_threshold", 6.0f);
  struct : AllWait {
    void keep(std::shared_ptr<const std::byte> packed, size_t) override { EXPECT_NE(packed, nullptr); }
  } store;
  const PackedStore::Scope scope(&store);
  for (const Kernel* kernel : kernels_named("gemm_int_")) GemmRunner(*kernel, test, 1);
  EXPECT_TRUE(store.left.empty());
}

#if defined(__x86_64__)
/// Whatever processor this is, loops that read weights as another likes it give the same bits.
TEST(GemmInt, EveryReadingOfWeights) {
  if (!cpu_has(Isa::avx512vnni)) GTEST_SKIP() << "no AVX-512 VNNI";
  const IntGemmLoops& loops = int_gemm_avx512vnni;
  ThreadPool threads(1);
  constexpr int64_t n = 100, k = 224, stride = 256;
  unsigned seed = 3000;
  for (const auto& [format, granularity] : {std::pair("int2", Granularity::per_group(64)),
                                            {"int4", Granularity::per_group(32)},
                                            {"int8", Granularity::per_axis(0)}}) {
    const Encoding encoding{.format = find_number_format(format), .granularity = granularity};
    const IntPanels panels(encoded({n, k}, encoding, ++seed), "B", k, false, threads);
    IntPanelsView view = panels.view();
    ASSERT_LE(view.packed_k, stride);
    for (int64_t m = 1; m <= loops.few_rows_most(view); ++m) {
      const Tensor a = random_tensor({m, k}, static_cast<unsigned>(m));
      std::vector<int8_t> codes(static_cast<size_t>(m * stride));
      std::vector<int32_t> sums(static_cast<size_t>(m * view.segment_count));
      std::vector<float> scales(static_cast<size_t>(m));
      const IntRows rows{m, codes.data(), stride, nullptr, 0, sums.data(), m, scales.data(), 1, k};
      loops.quantize(view, a.span<float>().data(), rows, 0, m);
      const auto product = [&](Reading reading) {
        view.reading = reading;
        std::vector<float> y(static_cast<size_t>(m * n), -1);
        loops.few_rows(view, rows, {y.data(), 1, 0, nullptr, 0, 0}, 0, view.panels);
        return y;
      };
      const std::vector<float> expected = product(Reading::ahead);
      EXPECT_EQ(product(Reading::next_panels), expected) << format << " m " << m;
      EXPECT_EQ(product(Reading::in_order), expected) << format << " m " << m;
    }
  }
}
#endif

TEST(GemmInt, DoubleQuantizedScales) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  const Encoding encoding{.format = find_number_format("int4"),
                          .granularity = Granularity::per_group(32),
                          .double_quant_block = 256};
  expect_equal({.b = encoded({40, 172}, encoding, 5), .dynamic = &per_token}, std::span(kRowCounts),
               encoding.str());
}

TEST(GemmInt, RealMinimum) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  for (const char* format : {"int4", "int5", "int6", "int8"})
    for (const auto& [scale_dtype, k] :
         {std::pair(DType::f32, int64_t{172}), {DType::f16, 172}, {DType::f16, 192}}) {
      const int64_t n = 37, groups = 6;
      QuantizedTensor::Parts parts;
      parts.encoding = {.format = find_number_format(format),
                        .granularity = Granularity::per_group(32),
                        .symmetric = false,
                        .real_minimum = true,
                        .scale_dtype = scale_dtype};
      parts.shape = {n, k};
      const int bits = parts.encoding.format->bits();
      std::mt19937 random(9);
      const size_t row_bytes = static_cast<size_t>((k * bits + 7) / 8);
      parts.codes = Tensor::allocate(DType::u8, {n, static_cast<int64_t>(row_bytes)});
      std::vector<uint8_t> codes(static_cast<size_t>(k));
      for (size_t row = 0; row < static_cast<size_t>(n); ++row) {
        for (uint8_t& code : codes) code = static_cast<uint8_t>(random() & ((1u << bits) - 1));
        pack_bits(codes, bits, parts.codes.mutable_view().bytes().subspan(row * row_bytes, row_bytes));
      }
      parts.scales = as_dtype(random_tensor({n, groups}, 10), scale_dtype);
      parts.minima = as_dtype(random_tensor({n, groups}, 11), scale_dtype);
      const GemmCase test{.b = Constant(std::make_shared<QuantizedTensor>(parts, "B")),
                          .dynamic = &per_token};
      expect_equal(test, std::span(kRowCounts), parts.encoding.str() + " minimum");
    }
}

/// Rows with some columns of large numbers.
Tensor with_outliers(const Tensor& a, std::span<const int64_t> columns) {
  Tensor result = Tensor::from<float>(a.shape(), a.span<float>());
  const auto values = result.mutable_view().span<float>();
  const auto k = static_cast<size_t>(a.shape()[1]);
  for (size_t i = 0; i < values.size(); ++i)
    for (int64_t column : columns)
      if (i % k == static_cast<size_t>(column))
        values[i] = i / k % 3 == 0 ? 40.0f + values[i] : values[i] / 8;
  return result;
}

TEST(GemmInt, OutliersStayFloating) {
  const int64_t outliers[] = {0, 13, 64, 171};
  unsigned seed = 5000;
  for (const Granularity& activations : {Granularity::per_token(), Granularity::per_group(64)})
    for (const char* format : {"int8", "int4", "int2"})
      for (bool symmetric : {true, false})
        for (int64_t group : {0, 32}) {
          const Encoding dynamic = dynamic_int8(activations);
          const Encoding encoding{
              .format = find_number_format(format),
              .granularity = group ? Granularity::per_group(group) : Granularity::per_axis(0),
              .symmetric = symmetric};
          GemmCase test{.b = encoded({37, 172}, encoding, ++seed), .dynamic = &dynamic};
          test.attributes.set("outlier_threshold", 6.0f);
          test.attributes.set("alpha", 0.5f);
          test.c = Constant(random_tensor({37}, 3));
          test.has_c = seed % 2 == 0;
          for (const Kernel* kernel : kernels_named("gemm_int_")) {
            GemmRunner one(*kernel, test, 1), two(*kernel, test, 2);
            for (int64_t m : {1, 5, 17}) {
              const Tensor plain = random_tensor({m, 172}, seed);
              for (const Tensor& a : {plain, with_outliers(plain, outliers)}) {
                EXPECT_EQ(one.run(a), test.reference(a))
                    << kernel->name << " " << encoding.str() << " m " << m;
                EXPECT_EQ(two.run(a), test.reference(a))
                    << kernel->name << " " << encoding.str() << " m " << m;
              }
            }
          }
        }
}

TEST(GemmInt, GroupsOfActivations) {
  unsigned seed = 2000;
  for (int64_t group : {32, 48, 128})
    for (const char* format : {"int2", "int4", "int8"})
      for (bool symmetric : {true, false}) {
        const Encoding dynamic = dynamic_int8(Granularity::per_group(group));
        const Encoding encoding{.format = find_number_format(format),
                                .granularity = Granularity::per_group(64),
                                .symmetric = symmetric};
        const GemmCase test{.b = encoded({35, 172}, encoding, ++seed), .dynamic = &dynamic};
        expect_equal(test, std::span(kRowCounts), encoding.str() + " with " + dynamic.str());
      }
}

TEST(GemmInt, ScalesAndAddends) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  const Encoding encoding{.format = find_number_format("int4"), .granularity = Granularity::per_group(32)};
  GemmCase test{.b = encoded({50, 96}, encoding, 1), .has_c = true, .dynamic = &per_token};
  test.c = Constant(as_dtype(random_tensor({50}, 2), DType::bf16));
  expect_equal(test, std::span(kRowCounts), "bias");
  test.attributes.set("alpha", 0.3f);
  test.attributes.set("beta", 0.7f);
  expect_equal(test, std::span(kRowCounts), "alpha, beta");
  test.c = Constant(random_tensor({1}, 3));
  expect_equal(test, std::span(kRowCounts), "one addend");
}

TEST(GemmInt, ManyRows) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  for (const char* format : {"int4", "int8"}) {
    const Encoding encoding{.format = find_number_format(format), .granularity = Granularity::per_group(128)};
    const int64_t rows[] = {64, 129, 200, 530};
    expect_equal({.b = encoded({72, 300}, encoding, 3), .dynamic = &per_token}, rows, encoding.str());
  }
}

// More rows than one chunk of activations holds.
TEST(GemmInt, ChunksOfRows) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  const Encoding encoding{.format = find_number_format("int8"), .granularity = Granularity::per_axis(0)};
  GemmCase test{.b = encoded({3, 30000}, encoding, 4), .dynamic = &per_token};
  const int64_t rows[] = {100};
  expect_equal(test, rows, encoding.str());
}

// A segment as long as 32 bits allow, all products at their extreme.
TEST(GemmInt, LongestSegment) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  const int64_t k = kGemmSegmentMax + 40;
  for (bool symmetric : {true, false}) {
    Tensor b = Tensor::allocate(DType::f32, {2, k}), a = Tensor::allocate(DType::f32, {9, k});
    for (float& x : b.mutable_view().span<float>()) x = 1;
    for (float& x : a.mutable_view().span<float>()) x = -1;
    Constant constant(b);
    constant.set_encoding({.format = find_number_format("int8"),
                           .granularity = Granularity::per_axis(0),
                           .symmetric = symmetric,
                           .scale_dtype = DType::f32});
    const GemmCase test{.b = constant, .dynamic = &per_token};
    const std::vector<float> expected = test.reference(a);
    EXPECT_NEAR(expected[0], -static_cast<double>(k), 0.01 * static_cast<double>(k));
    for (const Kernel* kernel : kernels_named("gemm_int_"))
      EXPECT_EQ(GemmRunner(*kernel, test, 1).run(a), expected) << kernel->name;
  }
}

TEST(GemmInt, OddActivations) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  const Encoding encoding{.format = find_number_format("int4"), .granularity = Granularity::per_group(32)};
  const GemmCase test{.b = encoded({20, 64}, encoding, 6), .dynamic = &per_token};
  Tensor a = random_tensor({12, 64}, 7);
  auto values = a.mutable_view().span<float>();
  for (size_t i = 0; i < 64; ++i) values[i] = 0;             // a row of zeros
  for (size_t i = 64; i < 128; ++i) values[i] *= 0x1p-125f;  // too small to count
  for (size_t i = 128; i < 192; ++i) values[i] *= 0x1p120f;  // huge
  values[200] = std::nanf("");
  values[260] = INFINITY;
  const std::vector<float> expected = test.reference(a);
  for (const Kernel* kernel : kernels_named("gemm_int_")) {
    const std::vector<float> y = GemmRunner(*kernel, test, 1).run(a);
    for (size_t i = 0; i < y.size(); ++i) {
      EXPECT_EQ(std::isnan(y[i]), std::isnan(expected[i])) << i;
      if (!std::isnan(expected[i])) {
        EXPECT_EQ(y[i], expected[i]) << i;
      }
    }
  }
}

TEST(GemmInt, SaysWhyNot) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  const auto kernels = kernels_named("gemm_int_");
  if (kernels.empty()) GTEST_SKIP() << "this processor has none of the kernels' instruction sets";
  const auto supports = kernels.front()->supports;
  GemmCase test{.b = Constant(random_tensor({4, 32}, 8)), .dynamic = &per_token};
  EXPECT_EQ(supports(test.site(1)), "B has no encoding");
  test.b.set_encoding({.format = find_number_format("int4"), .granularity = Granularity::per_group(32)});
  EXPECT_EQ(supports(test.site(1)), "");
  test.dynamic = nullptr;
  EXPECT_EQ(supports(test.site(1)), "A has no dynamic encoding");
}

}  // namespace
}  // namespace halftone::cpu
