#include <gtest/gtest.h>
#include <random>

#include "exact_kernels.h"
#include "ops/integer_product/integer_product.h"

namespace halftone::cpu {
namespace {

template <class T>
Tensor random_codes(const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  Tensor codes = Tensor::allocate(DTypeOf<T>::value, shape);
  for (T& code : codes.mutable_view().span<T>()) code = static_cast<T>(random());
  return codes;
}

TEST(IntegerProducts, MatMulIntegerIsExact) {
  for (const auto& [rows, columns, outputs] :
       {std::array<int64_t, 3>{1, 1, 1}, {5, 37, 19}, {70, 64, 33}, {130, 300, 16}}) {
    OpRun run(*find_op("MatMulInteger"));
    run.input(random_codes<uint8_t>({2, rows, columns}, 1));
    run.constant(Constant(random_codes<int8_t>({columns, outputs}, 2)));
    run.input(Tensor::from<uint8_t>({}, {113}));
    EXPECT_EQ(expect_exact(run, "mat_mul_integer", "MatMulInteger"), code_tile_isas()) << rows;
  }
}

TEST(IntegerProducts, ConvIntegerIsExact) {
  struct Case {
    Shape x, w;
    Attributes attributes;
  };
  const std::vector<int64_t> ones(4, 1);
  for (const Case& c :
       {Case{{2, 3, 9, 7}, {5, 3, 3, 3}, {{"pads", ones}}},
        Case{{1, 8, 6, 6}, {12, 2, 3, 3}, {{"pads", ones}, {"group", int64_t{4}}}},
        Case{{1, 6, 8, 5}, {6, 1, 3, 3}, {{"group", int64_t{6}}, {"strides", std::vector<int64_t>{2, 2}}}},
        Case{{1, 16, 11}, {7, 16, 3}, {{"dilations", std::vector<int64_t>{2}}}}}) {
    OpRun run(*find_op("ConvInteger"), c.attributes);
    run.input(random_codes<uint8_t>(c.x, 3));
    run.constant(Constant(random_codes<int8_t>(c.w, 4)));
    run.input(Tensor::from<uint8_t>({}, {200}));
    EXPECT_EQ(expect_exact(run, "conv_integer", "ConvInteger"), code_tile_isas()) << c.x.str();
  }
}

TEST(IntegerProducts, WhatDoesNotFitIsRefused) {
  OpRun run(*find_op("MatMulInteger"));
  run.input(random_codes<uint8_t>({2, 2000}, 1));
  run.constant(Constant(random_codes<int8_t>({2000, 3}, 2)));
  for (const Kernel* kernel : cpu_kernels("MatMulInteger"))
    EXPECT_EQ(kernel->supports(run.site()), "sums may be beyond 24 bits");
}

}  // namespace
}  // namespace halftone::cpu
