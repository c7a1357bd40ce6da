#include "backend/cuda/device/functions.h"
#include "backend/cuda/quantize_linear/quantize_linear_kernels.h"

namespace halftone::cuda {
namespace {

DEVICE int64_t place_of(const ScaleSpread& spread, int64_t i) {
  if (spread.single) return 0;
  const int64_t index = i / spread.inner % spread.size;
  if (spread.block == 0) return index;
  const int64_t blocks = (spread.size + spread.block - 1) / spread.block;
  return (i / spread.inner / spread.size * blocks + index / spread.block) * spread.inner + i % spread.inner;
}

DEVICE int32_t load_code(Code code, const void* from, int64_t i) {
  switch (code) {
    case Code::u8:
      return static_cast<const uint8_t*>(from)[i];
    case Code::i8:
      return static_cast<const int8_t*>(from)[i];
    case Code::u16:
      return static_cast<const uint16_t*>(from)[i];
    case Code::i16:
      return static_cast<const int16_t*>(from)[i];
    default:
      return static_cast<const int32_t*>(from)[i];
  }
}

/// Cut to the type; NaN is 0.
DEVICE void store_code(Code code, void* to, int64_t i, float value) {
  const auto cut_to = [=](float low, float high) {
    return value != value ? 0 : static_cast<int>(value < low ? low : value > high ? high : value);
  };
  switch (code) {
    case Code::u8:
      static_cast<uint8_t*>(to)[i] = static_cast<uint8_t>(cut_to(0, 255));
      return;
    case Code::i8:
      static_cast<int8_t*>(to)[i] = static_cast<int8_t>(cut_to(-128, 127));
      return;
    case Code::u16:
      static_cast<uint16_t*>(to)[i] = static_cast<uint16_t>(cut_to(0, 65535));
      return;
    default:
      static_cast<int16_t*>(to)[i] = static_cast<int16_t>(cut_to(-32768, 32767));
  }
}

}  // namespace

DEVICE_KERNEL(quantize_kernel, QuantizeArgs) {
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  if (i >= args.count) return;
  const int64_t place = place_of(args.spread, i);
  const int zero = args.spread.zeros ? load_code(args.code, args.spread.zeros, place) : 0;
  const float ratio = args.x[i] / args.spread.scales[place];
  store_code(args.code, args.y, i, nearest_integer(ratio) + static_cast<float>(zero));
}

DEVICE_KERNEL(dequantize_kernel, DequantizeArgs) {
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  if (i >= args.count) return;
  const int64_t place = place_of(args.spread, i);
  const int64_t zero = args.spread.zeros ? load_code(args.code, args.spread.zeros, place) : 0;
  args.y[i] = product(static_cast<float>(load_code(args.code, args.x, i) - zero), args.spread.scales[place]);
}

DEVICE_KERNEL(range_of_parts, RangeArgs) {
  const int64_t begin = args.count * block_x() / args.parts, end = args.count * (block_x() + 1) / args.parts;
  float low = 0, high = 0;
  for (int64_t i = begin + thread(); i < end; i += block_threads()) {
    const float x = args.x[i];
    low = x < low ? x : low;
    high = x > high ? x : high;
  }
  low = -block_max(-low, shared_memory<float>(0));
  high = block_max(high, shared_memory<float>(kWarp * sizeof(float)));
  if (thread() == 0) args.ends[block_x()] = {low, high};
}

DEVICE_KERNEL(range_joined, RangeArgs) {
  float low = 0, high = 0;
  for (int i = thread(); i < args.parts; i += block_threads()) {
    low = args.ends[i].x < low ? args.ends[i].x : low;
    high = args.ends[i].y > high ? args.ends[i].y : high;
  }
  low = -block_max(-low, shared_memory<float>(0));
  high = block_max(high, shared_memory<float>(kWarp * sizeof(float)));
  if (thread() > 0) return;
  const float scale = (high == low ? 1.0f : high - low) / 255.0f;
  float zero = -low / scale;
  zero = zero < 0 ? 0 : zero > 255 ? 255 : zero;
  *args.scale = scale;
  *args.zero = static_cast<uint8_t>(nearest_integer(zero));
}

}  // namespace halftone::cuda
