#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

enum class Code : int32_t { u8, i8, u16, i16, i32 };

/// Where the scale and zero point of each element lie (ScalePlaces of ops/quantize_linear).
struct ScaleSpread {
  const float* scales;
  const void* zeros;  ///< of the codes' type; null: 0
  int64_t inner, size, block;
  bool single;
};

/// QuantizeLinear: y = saturate(round(x / scale) + zero), ties to even, NaN to 0.
struct QuantizeArgs {
  const float* x;
  void* y;
  ScaleSpread spread;
  int64_t count;
  Code code;
};
DECLARE_DEVICE_KERNEL(quantize_kernel, QuantizeArgs);

/// DequantizeLinear: y = (x - zero) * scale.
struct DequantizeArgs {
  const void* x;
  float* y;
  ScaleSpread spread;
  int64_t count;
  Code code;
};
DECLARE_DEVICE_KERNEL(dequantize_kernel, DequantizeArgs);

/// DynamicQuantizeLinear: scale = (max - min) / 255 of [min, max] widened to hold 0, zero = round(-min /
/// scale) in [0, 255]. A block finds the ends of an even share of x; one block joins them.
struct RangeArgs {
  const float* x;
  Vec2* ends;  ///< [parts]: smallest and largest, 0 among them
  float* scale;
  uint8_t* zero;
  int64_t count;
  int32_t parts;
};
constexpr int kRangeThreads = 256;
constexpr size_t kRangeShared = 2 * kWarp * sizeof(float);
DECLARE_DEVICE_KERNEL(range_of_parts, RangeArgs);
DECLARE_DEVICE_KERNEL(range_joined, RangeArgs);

}  // namespace halftone::cuda
