#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// Turns pairs of each head (ops/rotary_embedding): block (row, part), a thread a pair or one of the elements
/// that pass unchanged, heads side by side.
struct RotaryArgs {
  const float* x;
  const float* cosine;  ///< [lines, half]
  const float* sine;
  const void* positions;  ///< [rows]; null: row r reads line r
  float* y;
  int64_t lines;
  int length;  ///< rows of one batch
  int heads;
  int head_dim;
  int half;             ///< pairs of a head
  bool wide_positions;  ///< i64, otherwise i32
  bool heads_first;     ///< [batch, heads, length, head_dim], otherwise [rows, heads, head_dim]
  bool interleaved;     ///< pairs (2i, 2i + 1), otherwise (i, i + half)
};

DECLARE_DEVICE_KERNEL(rotary_embedding_kernel, RotaryArgs);

}  // namespace halftone::cuda
