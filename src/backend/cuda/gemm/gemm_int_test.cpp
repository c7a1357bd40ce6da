#include <cmath>
#include <gtest/gtest.h>

#include "device_run.h"
#include "ops/gemm/gemm.h"

namespace halftone::cuda {
namespace {

Encoding dynamic_int8(Granularity granularity) {
  return {.format = find_number_format("int8"), .granularity = granularity, .timing = Timing::dynamic};
}

Constant encoded(const Shape& shape, const Encoding& encoding, unsigned seed) {
  Constant constant(random_tensor(shape, seed));
  constant.set_encoding(encoding);
  return constant;
}

/// The reference's very bits.
void expect_equal(const Tensor& a, const Constant& b, const Encoding& activations,
                  Attributes attributes = {{"transB", int64_t{1}}}, const Constant* c = nullptr) {
  OpRun run(gemm_schema(), std::move(attributes));
  run.input(a, activations).constant(b);
  if (c) run.constant(*c);
  const std::vector<float> expected = floats(run.reference()[0]);
  const std::vector<float> y = floats(run_on_test_device(cuda_kernel("gemm_int"), run)[0]);
  for (size_t i = 0; i < y.size(); ++i) {
    if (std::isnan(expected[i]))
      ASSERT_TRUE(std::isnan(y[i])) << i;
    else
      ASSERT_EQ(y[i], expected[i]) << a.shape().str() << " " << activations.str() << " by "
                                   << b.encoding()->str() << " " << b.shape().str() << " at " << i;
  }
}

TEST(CudaGemmInt, EveryWidthAndGroup) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  unsigned seed = 0;
  for (const char* format : {"int2", "int3", "int4", "int6", "int8"})
    for (bool symmetric : {true, false})
      for (int64_t group : {0, 32, 64, 128, 20})
        expect_equal(random_tensor({1 + ++seed % 8, 300}, seed),
                     encoded({19, 300},
                             {.format = find_number_format(format),
                              .granularity = group ? Granularity::per_group(group) : Granularity::per_axis(0),
                              .symmetric = symmetric,
                              .scale_dtype = seed % 3 ? DType::f16 : DType::f32},
                             seed),
                     per_token);
}

TEST(CudaGemmInt, ManyRows) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  unsigned seed = 100;
  for (const char* format : {"int2", "int4", "int8"})
    for (int64_t group : {0, 32, 128})
      expect_equal(random_tensor({++seed % 2 ? 9 : 17, 200}, seed),
                   encoded({20, 200},
                           {.format = find_number_format(format),
                            .granularity = group ? Granularity::per_group(group) : Granularity::per_axis(0),
                            .symmetric = group != 32},
                           seed),
                   per_token);
  expect_equal(
      random_tensor({70, 130}, 1),
      encoded({150, 130}, {.format = find_number_format("int8"), .granularity = Granularity::per_axis(0)}, 2),
      per_token);
}

TEST(CudaGemmInt, ManySegments) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  for (int64_t group : {32, 0})
    expect_equal(random_tensor({2, 2100}, 1),
                 encoded({18, 2100},
                         {.format = find_number_format("int4"),
                          .granularity = group ? Granularity::per_group(group) : Granularity::per_axis(0)},
                         3),
                 per_token);
}

TEST(CudaGemmInt, GroupsOfActivations) {
  unsigned seed = 200;
  for (int64_t group : {32, 128})
    for (int64_t b_group : {0, 64, 128})
      for (const char* format : {"int4", "int8"})
        for (int64_t m : {2, 11}) {
          ++seed;
          expect_equal(
              random_tensor({m, 300}, seed),
              encoded({17, 300},
                      {.format = find_number_format(format),
                       .granularity = b_group ? Granularity::per_group(b_group) : Granularity::per_axis(0),
                       .symmetric = false},
                      seed),
              dynamic_int8(Granularity::per_group(group)));
        }
}

TEST(CudaGemmInt, OutliersStayFloating) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  unsigned seed = 300;
  for (const char* format : {"int4", "int8"})
    for (int64_t group : {0, 40})
      for (int64_t m : {3, 9}) {
        Tensor a = random_tensor({m, 172}, ++seed);
        const auto values = a.mutable_view().span<float>();
        for (size_t column : {0u, 13u, 64u, 171u}) values[column] = 40 - static_cast<float>(column);
        const Constant c(random_tensor({37}, 3));
        for (float threshold : {6.0f, 1000.0f})
          expect_equal(
              a,
              encoded({37, 172},
                      {.format = find_number_format(format),
                       .granularity = group ? Granularity::per_group(group) : Granularity::per_axis(0),
                       .symmetric = group == 0},
                      seed),
              per_token,
              {{"transB", int64_t{1}}, {"outlier_threshold", threshold}, {"alpha", 0.5f}, {"beta", 0.3f}},
              &c);
      }
}

TEST(CudaGemmInt, OddActivations) {
  const Encoding per_token = dynamic_int8(Granularity::per_token());
  Tensor a = random_tensor({8, 64}, 7);
  const auto values = a.mutable_view().span<float>();
  for (size_t i = 0; i < 64; ++i) values[i] = 0;             // a row of zeros
  for (size_t i = 64; i < 128; ++i) values[i] *= 0x1p-125f;  // too small to count
  for (size_t i = 128; i < 192; ++i) values[i] *= 0x1p120f;  // huge
  values[200] = std::nanf("");
  values[260] = INFINITY;
  expect_equal(
      a,
      encoded({20, 64}, {.format = find_number_format("int4"), .granularity = Granularity::per_group(32)}, 6),
      per_token);
}

TEST(CudaGemmInt, SaysWhyNot) {
  const auto refusal = [](const Encoding& activations, int64_t group) {
    OpRun run(gemm_schema(), {{"transB", int64_t{1}}});
    run.input(random_tensor({8, 256}, 1), activations)
        .constant(
            encoded({8, 256},
                    {.format = find_number_format("int4"), .granularity = Granularity::per_group(group)}, 1));
    return cuda_kernel("gemm_int").supports(run.site());
  };
  EXPECT_EQ(refusal(dynamic_int8(Granularity::per_tensor()), 32), "A has one scale for all rows");
  EXPECT_EQ(refusal(dynamic_int8(Granularity::per_group(48)), 32), "groups of 48 and 32 columns");
  EXPECT_EQ(refusal(dynamic_int8(Granularity::per_group(32)), 64), "");
}

}  // namespace
}  // namespace halftone::cuda
