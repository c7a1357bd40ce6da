#include "backend/cuda/cast/cast_kernels.h"

namespace halftone::cuda {
namespace {

/// An element as f32, where it is floating, or as a whole number.
struct Number {
  float real;
  int64_t whole;
  bool floating;
};

DEVICE Number whole(int64_t value) {
  return {0, value, false};
}
DEVICE Number real(float value) {
  return {value, 0, true};
}

template <class T>
DEVICE T element(const void* from, int64_t i) {
  return static_cast<const T*>(from)[i];
}

DEVICE Number load_number(Element type, const void* from, int64_t i) {
  switch (type) {
    case Element::f32:
      return real(element<float>(from, i));
    case Element::half:
      return real(to_f32(element<f16>(from, i)));
    case Element::brain:
      return real(to_f32(element<bf16>(from, i)));
    case Element::i64:
      return whole(element<int64_t>(from, i));
    case Element::i32:
      return whole(element<int32_t>(from, i));
    case Element::i16:
      return whole(element<int16_t>(from, i));
    case Element::i8:
      return whole(element<int8_t>(from, i));
    case Element::u32:
      return whole(element<uint32_t>(from, i));
    case Element::u16:
      return whole(element<uint16_t>(from, i));
    default:
      return whole(element<uint8_t>(from, i));
  }
}

/// Towards zero into [least, beyond), whose ends are exact in f32.
DEVICE int64_t cut_to(float x, float least, float beyond, int64_t lowest, int64_t highest) {
  if (x != x) return 0;
  return x <= least ? lowest : x >= beyond ? highest : static_cast<int64_t>(x);
}

template <class T>
DEVICE void store_whole(void* to, int64_t i, const Number& number, float least, float beyond, T lowest,
                        T highest) {
  const int64_t value = number.floating ? cut_to(number.real, least, beyond, static_cast<int64_t>(lowest),
                                                 static_cast<int64_t>(highest))
                                        : number.whole;
  static_cast<T*>(to)[i] = static_cast<T>(value);
}

DEVICE void store_number(Element type, void* to, int64_t i, const Number& number) {
  const float x = number.floating ? number.real : static_cast<float>(number.whole);
  switch (type) {
    case Element::f32:
      static_cast<float*>(to)[i] = x;
      return;
    case Element::half:
      static_cast<f16*>(to)[i] = from_f32<f16>(x);
      return;
    case Element::brain:
      static_cast<bf16*>(to)[i] = from_f32<bf16>(x);
      return;
    case Element::i64:
      return store_whole<int64_t>(to, i, number, -0x1p63f, 0x1p63f, INT64_MIN, INT64_MAX);
    case Element::i32:
      return store_whole<int32_t>(to, i, number, -0x1p31f, 0x1p31f, INT32_MIN, INT32_MAX);
    case Element::i16:
      return store_whole<int16_t>(to, i, number, -0x1p15f, 0x1p15f, INT16_MIN, INT16_MAX);
    case Element::i8:
      return store_whole<int8_t>(to, i, number, -0x1p7f, 0x1p7f, INT8_MIN, INT8_MAX);
    case Element::u32:
      return store_whole<uint32_t>(to, i, number, 0, 0x1p32f, 0, UINT32_MAX);
    case Element::u16:
      return store_whole<uint16_t>(to, i, number, 0, 0x1p16f, 0, UINT16_MAX);
    case Element::u8:
      return store_whole<uint8_t>(to, i, number, 0, 0x1p8f, 0, UINT8_MAX);
    default:
      static_cast<uint8_t*>(to)[i] = number.floating ? number.real != 0 : number.whole != 0;
  }
}

}  // namespace

DEVICE_KERNEL(cast_kernel, CastArgs) {
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  if (i < args.count) store_number(args.to, args.y, i, load_number(args.from, args.x, i));
}

}  // namespace halftone::cuda
