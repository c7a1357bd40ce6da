#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

// Kernels that use each function of the device header once, for its own test.

/// A block: what each thread gets by the exchanges of its `values`.
struct ExchangeCheckArgs {
  const float* values;
  float* shuffled;  ///< of lane + 5
  float* across;    ///< of lane ^ 6
  uint32_t* votes;  ///< values above 0
  float* warp_sums;
  float* warp_tops;
  float* block_sums;
  float* block_tops;
};
constexpr size_t kExchangeCheckShared = 2 * kWarp * sizeof(float);
DECLARE_DEVICE_KERNEL(exchange_check, ExchangeCheckArgs);

/// A warp: d += a b with a [16, 16] by rows, b [16, 8] by rows, d [16, 8], in `kind` 0: f16, 1: bf16; or,
/// `kind` 2, in s8 with a [16, 32], b [32, 8] and d of int32; kind 3: a in u8.
struct ProductCheckArgs {
  const void* a;
  const void* b;
  void* d;
  int kind;
};
DECLARE_DEVICE_KERNEL(product_check, ProductCheckArgs);

/// A warp: 32 rows of 8 16-bit elements through shared memory; four words a lane of their matrices and of
/// the matrices' transposes.
struct MatrixCheckArgs {
  const uint16_t* rows;
  uint32_t* words;       ///< [32, 4]
  uint32_t* transposed;  ///< [32, 4]
};
constexpr size_t kMatrixRowBytes = 48;
constexpr size_t kMatrixCheckShared = 32 * kMatrixRowBytes;
DECLARE_DEVICE_KERNEL(matrix_check, MatrixCheckArgs);

/// A block of 64: piece i, of 64 * 16 bytes, passes through one of three buffers while two others are on
/// their way; of the last piece only the first `valid` bytes of every 16 are copied.
struct CopyCheckArgs {
  const uint8_t* from;
  uint8_t* to;
  int pieces;
  int valid;
};
constexpr size_t kCopyCheckPiece = 64 * 16;
constexpr size_t kCopyCheckShared = 3 * kCopyCheckPiece;
DECLARE_DEVICE_KERNEL(copy_check, CopyCheckArgs);

/// A thread for each i: y[k, i] is what function k makes of a[i], b[i], c[i] (in bits).
struct NumberCheckArgs {
  const uint32_t* a;
  const uint32_t* b;
  const uint32_t* c;
  uint32_t* y;
  int count;
};
constexpr int kNumberChecks = 18;
DECLARE_DEVICE_KERNEL(number_check, NumberCheckArgs);

/// Each block adds its number to `sum` after the block before it has; `turns` [blocks] starts as zeros.
struct OrderCheckArgs {
  int* turns;
  int* seen;  ///< [blocks]: the sum as each block found it
  int* sum;
};
DECLARE_DEVICE_KERNEL(order_check, OrderCheckArgs);

}  // namespace halftone::cuda
