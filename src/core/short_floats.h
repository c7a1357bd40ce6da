#pragma once

#include "core/dtype.h"

namespace halftone {

/// Whether elements are floats of 16 bits: operators compute on them in f32 and round what they store.
inline bool is_short_float(DType dtype) {
  return dtype == DType::f16 || dtype == DType::bf16;
}
inline bool is_f32_or_short(DType dtype) {
  return dtype == DType::f32 || is_short_float(dtype);
}

/// Half a unit in the last place of numbers near 1: the most that rounding to the type changes a number by,
/// relative to it.
inline float rounding_of(DType dtype) {
  return dtype == DType::f16 ? 0x1p-11f : dtype == DType::bf16 ? 0x1p-8f : 0x1p-24f;
}

}  // namespace halftone
