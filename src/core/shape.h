#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

namespace halftone {

/// Up to eight dimensions. A negative dimension is symbolic: symbol_dim(k) stands for the k-th symbol of a
/// graph ("the number of tokens"), so two dimensions are equal when they have the same size or the same
/// symbol; kUnknownDim equals nothing.
class Shape {
 public:
  static constexpr int kMaxRank = 8;
  static constexpr int64_t kUnknownDim = -1;
  static constexpr int64_t symbol_dim(int symbol) { return -2 - int64_t{symbol}; }
  static constexpr int dim_symbol(int64_t dim) { return static_cast<int>(-2 - dim); }

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  /// More than kMaxRank dimensions are an UnsupportedError.
  explicit Shape(std::span<const int64_t> dims);

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return dims_[static_cast<size_t>(axis)]; }
  int64_t& operator[](int axis) { return dims_[static_cast<size_t>(axis)]; }
  int64_t back() const { return dims_[static_cast<size_t>(rank_ - 1)]; }
  const int64_t* begin() const { return dims_.data(); }
  const int64_t* end() const { return dims_.data() + rank_; }
  void push_back(int64_t dim);

  bool is_concrete() const;
  /// Product of the dimensions. The shape must be concrete; the product was checked by checked_elements()
  /// where it came from outside.
  int64_t elements() const;
  /// Product of the dimensions, or nothing if one is symbolic or the product overflows.
  std::optional<int64_t> checked_elements() const;
  /// 0 <= axis < rank for an axis that may count from the back, or nothing.
  std::optional<int> normalize_axis(int64_t axis) const;

  friend bool operator==(const Shape& a, const Shape& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

  std::string str() const;  ///< "[2, 3]"; symbols print as s0, s1, ...; unknown as ?

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

/// Whether two dimensions are of one size as far as is known: an unknown one agrees with any.
constexpr bool dims_agree(int64_t a, int64_t b) {
  return a == b || a == Shape::kUnknownDim || b == Shape::kUnknownDim;
}

}  // namespace halftone
