#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// Which slices of data go where: out[o, i, :] = data[o, indices[i], :], data being [outer, size, inner].
/// Negative indices count from the back.
struct GatherIndices {
  const void* indices;  ///< [count], i64 if `wide`, otherwise i32
  bool wide;
  int64_t count, size;
};

/// Copies slices of `inner` words of word_bytes (16, 4, 2 or 1) each; one thread a word. A missing slice is
/// filled with `missing`, again and again.
struct GatherCopyArgs {
  GatherIndices at;
  const void* data;
  void* out;
  int64_t outer, inner;
  int word_bytes;
  Words4 missing;
};
DECLARE_DEVICE_KERNEL(gather_copy_kernel, GatherCopyArgs);

/// How numbers are stored that are read as f32.
enum class Stored : int32_t { single_precision, half_precision, brain_float };

/// The same for data of another floating type than the output's f32.
struct GatherFloatsArgs {
  GatherIndices at;
  const void* data;
  float* out;
  int64_t outer, inner;
  Stored stored;
};
DECLARE_DEVICE_KERNEL(gather_floats_kernel, GatherFloatsArgs);

/// Rows of a quantized matrix (scheme/quantized_tensor.h): element c of row r is
/// (level(code) - zero) * scale + minimum, with the scale, zero and minimum of group c / group of line
/// r % lines. level(code) is levels[code] where there are levels, otherwise the code. A block a row.
struct GatherCodesArgs {
  GatherIndices at;
  const uint8_t* codes;  ///< [rows, row_bytes], element c at bit c * bits
  const void* scales;    ///< [lines, groups]
  const uint8_t* zeros;  ///< [lines, groups]; null: `zero` everywhere
  const void* minima;    ///< [lines, groups]; null: none
  const float* levels;   ///< [2^bits]; null: the codes themselves
  float* out;            ///< [count, columns]
  int64_t columns, row_bytes;
  int64_t lines, groups, group;
  int bits;
  float zero;
  Stored stored;  ///< of scales and minima
};
DECLARE_DEVICE_KERNEL(gather_codes_kernel, GatherCodesArgs);

}  // namespace halftone::cuda
