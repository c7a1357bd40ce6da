#include "quant/matrix/cholesky.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "quant/matrix/multiply.h"

namespace halftone {
namespace {

constexpr int64_t kBlock = 128;
constexpr int64_t kPieceColumns = 512;  ///< for one thread

/// A diagonal block in double.
class SmallSquare {
 public:
  explicit SmallSquare(MatrixView from) : n_(from.rows), values_(static_cast<size_t>(n_ * n_)) {
    for (int64_t r = 0; r < n_; ++r)
      for (int64_t c = 0; c <= r; ++c) at(r, c) = from.at(r, c);
  }
  double& at(int64_t r, int64_t c) { return values_[static_cast<size_t>(r * n_ + c)]; }

  bool factor() {
    for (int64_t j = 0; j < n_; ++j) {
      const double pivot = at(j, j) - dot(j, j, 0, j);
      if (!(pivot > 0) || !std::isfinite(pivot)) return false;
      at(j, j) = std::sqrt(pivot);
      for (int64_t i = j + 1; i < n_; ++i) at(i, j) = (at(i, j) - dot(i, j, 0, j)) / at(j, j);
    }
    return true;
  }

  /// Of the lower triangle.
  void invert() {
    SmallSquare inverse = *this;
    for (int64_t j = 0; j < n_; ++j) {
      inverse.at(j, j) = 1 / at(j, j);
      for (int64_t i = j + 1; i < n_; ++i) {
        double sum = 0;
        for (int64_t k = j; k < i; ++k) sum += at(i, k) * inverse.at(k, j);
        inverse.at(i, j) = -sum / at(i, i);
      }
    }
    values_ = std::move(inverse.values_);
  }

  void store_lower(MutableMatrixView to) {
    for (int64_t r = 0; r < n_; ++r)
      for (int64_t c = 0; c < n_; ++c) to.at(r, c) = c <= r ? static_cast<float>(at(r, c)) : 0.0f;
  }

 private:
  double dot(int64_t i, int64_t j, int64_t begin, int64_t end) const {
    double sum = 0;
    for (int64_t k = begin; k < end; ++k)
      sum += values_[static_cast<size_t>(i * n_ + k)] * values_[static_cast<size_t>(j * n_ + k)];
    return sum;
  }

  int64_t n_;
  std::vector<double> values_;
};

/// `block` = `block` * factor, by way of `scratch`.
void multiply_in_place(MutableMatrixView block, MatrixView factor, float alpha, std::vector<float>& scratch,
                       ThreadPool& threads) {
  scratch.resize(static_cast<size_t>(block.rows * block.columns));
  const MutableMatrixView result = matrix(scratch.data(), block.rows, block.columns);
  multiply(alpha, block, factor, 0, result, threads);
  for (int64_t r = 0; r < block.rows; ++r) std::copy_n(&result.at(r, 0), block.columns, &block.at(r, 0));
}

/// Turns the order of rows and columns round; of a lower triangle an upper one and back.
void turn_round(MutableMatrixView a) {
  const int64_t n = a.rows;
  for (int64_t r = 0; r < n / 2; ++r) {
    float *top = &a.at(r, 0), *bottom = &a.at(n - 1 - r, 0);
    for (int64_t c = 0; c < n; ++c) std::swap(top[c], bottom[n - 1 - c]);
  }
  if (n % 2) std::reverse(&a.at(n / 2, 0), &a.at(n / 2, 0) + n);
}

}  // namespace

bool factor_cholesky(MutableMatrixView a, ThreadPool& threads) {
  std::vector<float> scratch, inverse(static_cast<size_t>(kBlock * kBlock));
  for (int64_t j = 0; j < a.rows; j += kBlock) {
    const int64_t width = std::min(kBlock, a.rows - j), below = a.rows - j - width;
    SmallSquare corner(a.part(j, j, width, width));
    if (!corner.factor()) return false;
    corner.store_lower(a.part(j, j, width, width));
    if (below == 0) break;
    corner.invert();
    const MutableMatrixView small = matrix(inverse.data(), width, width);
    corner.store_lower(small);
    const MutableMatrixView panel = a.part(j + width, j, below, width);
    multiply_in_place(panel, MatrixView(small).transposed(), 1, scratch, threads);
    multiply(-1, panel, MatrixView(panel).transposed(), 1, a.part(j + width, j + width, below, below),
             threads, ProductPart::lower);
  }
  return true;
}

void invert_lower(MutableMatrixView l, ThreadPool& threads) {
  std::vector<float> scratch, product;
  for (int64_t i = 0; i < l.rows; i += kBlock) {
    const int64_t width = std::min(kBlock, l.rows - i);
    SmallSquare corner(l.part(i, i, width, width));
    corner.invert();
    const MutableMatrixView diagonal = l.part(i, i, width, width);
    corner.store_lower(diagonal);
    for (int64_t r = i; r < i + width; ++r)
      std::fill(&l.at(r, i + width - 1) + 1, &l.at(r, 0) + l.rows, 0.0f);
    if (i == 0) continue;
    // Rows of the inverse: -corner^-1 (strip * inverse above).
    const MutableMatrixView strip = l.part(i, 0, width, i);
    // What is above the diagonal of the inverse is zero: columns from j on need the rows from j on alone.
    scratch.resize(static_cast<size_t>(width * i));
    product.resize(scratch.size());
    const MutableMatrixView sums = matrix(scratch.data(), width, i);
    const int64_t piece = kPieceColumns * threads.size();
    for (int64_t j = 0; j < i; j += piece) {
      const int64_t columns = std::min(piece, i - j);
      multiply(1, strip.part(0, j, width, i - j), l.part(j, j, i - j, columns), 0,
               sums.part(0, j, width, columns), threads);
    }
    multiply(-1, diagonal, sums, 0, matrix(product.data(), width, i), threads);
    for (int64_t r = 0; r < width; ++r) std::copy_n(product.data() + r * i, i, &strip.at(r, 0));
  }
}

bool factor_inverse(MutableMatrixView a, ThreadPool& threads) {
  for (int64_t r = 0; r < a.rows; ++r)
    for (int64_t c = 0; c < r; ++c) a.at(c, r) = a.at(r, c);
  turn_round(a);
  if (!factor_cholesky(a, threads)) return false;
  invert_lower(a, threads);
  turn_round(a);
  return true;
}

}  // namespace halftone
