#include <gtest/gtest.h>
#include <random>
#include <vector>

#include "base/cpu.h"
#include "quant/matrix/cholesky.h"
#include "quant/matrix/multiply.h"
#include "quant/matrix/multiply_kernel.h"

namespace halftone {
namespace {

std::vector<float> random_numbers(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(static_cast<size_t>(count));
  for (float& x : numbers) x = normal(random);
  return numbers;
}

double product_at(MatrixView a, MatrixView b, int64_t r, int64_t c) {
  double sum = 0;
  for (int64_t k = 0; k < a.columns; ++k) sum += double{a.at(r, k)} * double{b.at(k, c)};
  return sum;
}

TEST(Multiply, MatchesDoubleForOddSizesAndTransposes) {
  ThreadPool threads(2);
  for (const auto& [m, n, k] : {std::array<int64_t, 3>{1, 1, 1}, {13, 33, 257}, {200, 530, 300}, {5, 700, 1}})
    for (bool turned : {false, true}) {
      const auto a = random_numbers(m * k, 1), b = random_numbers(k * n, 2);
      auto c = random_numbers(m * n, 3);
      const auto before = c;
      const MatrixView av = turned ? matrix(a.data(), k, m).transposed() : matrix(a.data(), m, k);
      const MatrixView bv = turned ? matrix(b.data(), n, k).transposed() : matrix(b.data(), k, n);
      multiply(-2, av, bv, 0.5f, matrix(c.data(), m, n), threads);
      for (int64_t r = 0; r < m; ++r)
        for (int64_t j = 0; j < n; ++j) {
          const auto i = static_cast<size_t>(r * n + j);
          ASSERT_NEAR(c[i], 0.5 * before[i] - 2 * product_at(av, bv, r, j), 2e-5 * (k + 10))
              << m << ' ' << n << ' ' << k << " at " << r << ' ' << j;
        }
    }
}

TEST(Multiply, WithBetaZeroForgetsNaN) {
  ThreadPool threads(1);
  const std::vector<float> one = {1};
  std::vector<float> c = {std::numeric_limits<float>::quiet_NaN()};
  multiply(1, matrix(one.data(), 1, 1), matrix(one.data(), 1, 1), 0, matrix(c.data(), 1, 1), threads);
  EXPECT_EQ(c[0], 1);
}

TEST(Multiply, EveryInstructionSetGivesTheTile) {
  std::vector<const MultiplyKernel*> kernels = {&multiply_scalar};
#if defined(__x86_64__)
  if (cpu_has(Isa::avx2)) kernels.push_back(&multiply_avx2);
  if (cpu_has(Isa::avx512vnni)) kernels.push_back(&multiply_avx512vnni);
#elif defined(__aarch64__)
  if (cpu_has(Isa::neon)) kernels.push_back(&multiply_neon);
#endif
  for (const MultiplyKernel* kernel : kernels) {
    const int64_t depth = 37;
    const auto a = random_numbers(depth * kernel->rows, 4), b = random_numbers(depth * kernel->columns, 5);
    std::vector<float> out(static_cast<size_t>(kernel->rows * kernel->columns));
    kernel->tile(depth, a.data(), b.data(), out.data());
    const MatrixView av = matrix(a.data(), depth, kernel->rows).transposed();
    const MatrixView bv = matrix(b.data(), depth, kernel->columns);
    for (int64_t r = 0; r < kernel->rows; ++r)
      for (int64_t c = 0; c < kernel->columns; ++c)
        ASSERT_NEAR(out[static_cast<size_t>(r * kernel->columns + c)], product_at(av, bv, r, c), 1e-4);
  }
}

/// X^T X / rows + shift on the diagonal.
std::vector<float> positive_definite(int64_t n, double shift) {
  const int64_t rows = n + 7;
  const auto x = random_numbers(rows * n, 6);
  std::vector<float> a(static_cast<size_t>(n * n));
  const MatrixView v = matrix(x.data(), rows, n);
  for (int64_t r = 0; r < n; ++r)
    for (int64_t c = 0; c < n; ++c)
      a[static_cast<size_t>(r * n + c)] = static_cast<float>(
          product_at(v.transposed(), v, r, c) / static_cast<double>(rows) + (r == c ? shift : 0));
  return a;
}

TEST(Cholesky, FactorsOddSizes) {
  ThreadPool threads(2);
  for (int64_t n : {1, 5, 128, 200, 300}) {
    const auto a = positive_definite(n, 0.05);
    auto l = a;
    ASSERT_TRUE(factor_cholesky(matrix(l.data(), n, n), threads));
    for (int64_t r = 0; r < n; ++r)
      for (int64_t c = 0; c <= r; ++c) {
        double sum = 0;
        for (int64_t k = 0; k <= c; ++k)
          sum += double{l[static_cast<size_t>(r * n + k)]} * double{l[static_cast<size_t>(c * n + k)]};
        ASSERT_NEAR(sum, a[static_cast<size_t>(r * n + c)], 1e-5) << n;
      }
  }
}

TEST(Cholesky, InverseFactorIsUpperAndInverts) {
  ThreadPool threads(2);
  for (int64_t n : {1, 7, 129, 260}) {
    const auto a = positive_definite(n, 0.1);
    auto u = a;
    ASSERT_TRUE(factor_inverse(matrix(u.data(), n, n), threads));
    // U A U^T = 1.
    const MatrixView uv = matrix(u.data(), n, n), av = matrix(a.data(), n, n);
    std::vector<float> ua(static_cast<size_t>(n * n));
    for (int64_t r = 0; r < n; ++r)
      for (int64_t c = 0; c < n; ++c) {
        ASSERT_TRUE(c >= r || uv.at(r, c) == 0);
        ua[static_cast<size_t>(r * n + c)] = static_cast<float>(product_at(uv, av, r, c));
      }
    for (int64_t r = 0; r < n; ++r)
      for (int64_t c = 0; c < n; ++c)
        ASSERT_NEAR(product_at(matrix(ua.data(), n, n), uv.transposed(), r, c), r == c ? 1 : 0, 2e-4) << n;
  }
}

TEST(Cholesky, InvertsTrianglesOfSeveralPieces) {
  ThreadPool threads(1);
  const int64_t n = 1100;
  std::vector<float> l(static_cast<size_t>(n * n));
  const auto numbers = random_numbers(n * n, 9);
  for (int64_t r = 0; r < n; ++r)
    for (int64_t c = 0; c <= r; ++c)
      l[static_cast<size_t>(r * n + c)] = r == c ? 1.5f : 0.02f * numbers[static_cast<size_t>(r * n + c)];
  std::vector<float> inverse = l;
  invert_lower(matrix(inverse.data(), n, n), threads);
  for (const auto& [r, c] : {std::pair{0, 0}, {1099, 0}, {1099, 511}, {1099, 512}, {700, 600}, {600, 700}})
    EXPECT_NEAR(product_at(matrix(l.data(), n, n), matrix(inverse.data(), n, n), r, c), r == c ? 1 : 0, 1e-4);
}

TEST(Cholesky, RefusesWhatIsNotPositiveDefinite) {
  ThreadPool threads(1);
  std::vector<float> a = {1, 2, 2, 1};
  EXPECT_FALSE(factor_inverse(matrix(a.data(), 2, 2), threads));
  std::vector<float> nan = {std::numeric_limits<float>::quiet_NaN()};
  EXPECT_FALSE(factor_inverse(matrix(nan.data(), 1, 1), threads));
}

}  // namespace
}  // namespace halftone
