#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "quant/matrix/multiply.h"

namespace halftone {

/// Sums of products of the columns of many rows: X^T X, in f32. Half the Hessian of a layer's squared output
/// error, up to the factor 1 / rows.
class Gram {
 public:
  explicit Gram(int64_t columns)
      : columns_(columns), sums_(static_cast<size_t>(columns) * static_cast<size_t>(columns)) {}

  void add(MatrixView rows, ThreadPool& threads) {
    multiply(1, rows.transposed(), rows, 1, matrix(sums_.data(), columns_, columns_), threads,
             ProductPart::lower);
    rows_ += rows.rows;
  }

  /// As if the other's rows had been added.
  void add(const Gram& other) {
    std::ranges::transform(sums_, other.sums_, sums_.begin(), std::plus());
    rows_ += other.rows_;
  }

  int64_t columns() const { return columns_; }
  int64_t rows() const { return rows_; }
  /// Element of the symmetric matrix.
  float at(int64_t a, int64_t b) const {
    return sums_[static_cast<size_t>(a > b ? a * columns_ + b : b * columns_ + a)];
  }

 private:
  int64_t columns_;
  int64_t rows_ = 0;
  std::vector<float> sums_;  ///< [columns, columns], right in the lower triangle alone
};

}  // namespace halftone
