#include "scheme/number_format.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

#include "base/error.h"
#include "scheme/bf16/rounded_bf16.h"
#include "scheme/codebook/codebook.h"
#include "scheme/fp8/fp8.h"
#include "scheme/int_affine/int_affine.h"

namespace halftone {
namespace {

/// An integer that orders as the floats do, with NaN beyond the infinity of its sign. Integer minima
/// vectorise without leave to reorder floating point, and let no NaN slip through.
int32_t order_key(float x) {
  const int32_t bits = std::bit_cast<int32_t>(x);
  return bits ^ ((bits >> 31) & 0x7fffffff);
}

float from_order_key(int32_t key) {
  return std::bit_cast<float>(key ^ ((key >> 31) & 0x7fffffff));
}

}  // namespace

bool ValueRange::is_finite() const {
  return std::isfinite(min) && std::isfinite(max);
}

void ValueRange::include(const ValueRange& other) {
  min = from_order_key(std::min(order_key(min), order_key(other.min)));
  max = from_order_key(std::max(order_key(max), order_key(other.max)));
}

ValueRange value_range(std::span<const float> values) {
  int32_t smallest = 0, largest = 0;
  for (float x : values) {
    const int32_t key = order_key(x);
    smallest = std::min(smallest, key);
    largest = std::max(largest, key);
  }
  return {from_order_key(smallest), from_order_key(largest)};
}

CodeParams NumberFormat::fit(std::span<const float> values, bool symmetric) const {
  const ValueRange range = value_range(values);
  if (!range.is_finite()) throw InputError("fitting {}: the values hold NaN or infinity", name());
  CodeParams params;
  params.scale = fit_scale(range, symmetric);
  params.zero = zero_code(range, params.scale, symmetric);
  params.lowest = is_integer() && symmetric ? 1 : 0;
  return params;
}

std::vector<float> NumberFormat::make_codebook(std::span<const float> normalised) const {
  assert(!"only formats with has_tensor_codebook() make code books");
  return {};
}

std::span<const NumberFormat* const> number_formats() {
#define HALFTONE_FORMAT(Class, ...) new Class(__VA_ARGS__),
  // Never destroyed: encodings point at them until the process ends.
  static const NumberFormat* const formats[] = {
#include "scheme/formats.inc"
  };
#undef HALFTONE_FORMAT
  return formats;
}

const NumberFormat* find_number_format(std::string_view name) {
  for (const NumberFormat* format : number_formats())
    if (format->name() == name) return format;
  return name == rounded_bf16()->name() ? rounded_bf16() : nullptr;
}

}  // namespace halftone
