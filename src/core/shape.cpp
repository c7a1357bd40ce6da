#include "core/shape.h"

#include "base/checked.h"
#include "base/error.h"

namespace halftone {

Shape::Shape(std::span<const int64_t> dims) {
  for (int64_t dim : dims) push_back(dim);
}

void Shape::push_back(int64_t dim) {
  if (rank_ == kMaxRank) throw UnsupportedError("tensors of more than {} dimensions", kMaxRank);
  dims_[static_cast<size_t>(rank_++)] = dim;
}

bool Shape::is_concrete() const {
  return std::all_of(begin(), end(), [](int64_t dim) { return dim >= 0; });
}

int64_t Shape::elements() const {
  int64_t product = 1;
  for (int64_t dim : *this) product *= dim;
  return product;
}

std::optional<int64_t> Shape::checked_elements() const {
  if (!is_concrete()) return std::nullopt;
  std::optional<int64_t> product = 1;
  for (int64_t dim : *this) {
    product = checked_mul(*product, dim);
    if (!product) return std::nullopt;
  }
  return product;
}

std::optional<int> Shape::normalize_axis(int64_t axis) const {
  if (axis < 0) axis += rank_;
  if (axis < 0 || axis >= rank_) return std::nullopt;
  return static_cast<int>(axis);
}

std::string Shape::str() const {
  std::string text = "[";
  for (int64_t dim : *this) {
    if (text.size() > 1) text += ", ";
    text += dim >= 0 ? std::to_string(dim) : dim == kUnknownDim ? "?" : fmt::format("s{}", dim_symbol(dim));
  }
  return text + "]";
}

}  // namespace halftone
