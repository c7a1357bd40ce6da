#pragma once

#include <cmath>
#include <type_traits>

#include "ops/op_schema.h"
#include "ops/strided.h"

namespace halftone {

/// The shape of a and b broadcast together (ONNX's multidirectional rule). A symbol broadcasts with itself
/// and with 1. InputError where they do not fit.
Shape broadcast_shapes(const OpSite& site, const Shape& a, const Shape& b);

/// One floating input, one output of its type.
std::vector<ValueType> infer_float_map(const OpSite& site);
/// One input of any type, one output of the same.
std::vector<ValueType> infer_same(const OpSite& site);
/// Two inputs of one number type, broadcast together.
std::vector<ValueType> infer_arithmetic(const OpSite& site);

/// Traffic, and one operation for each output element (a transcendental function counts as one).
Cost elementwise_cost(const OpSite& site);
/// Traffic alone: for operators that only move data.
Cost movement_cost(const OpSite& site);

/// An operand's numbers, decoded if they are a constant's codes.
Tensor plain(const Operand& operand);

/// f of each element of the floating inputs[0], computed in f32, rounded to the output's type.
template <class F>
void map_floats(std::span<const Operand> inputs, std::span<const MutableTensorView> outputs, F f) {
  const Tensor x = plain(inputs[0]);
  float value;
  for (int64_t i = 0, count = outputs[0].shape.elements(); i < count; ++i) {
    load_floats(x.view(), i, {&value, 1});
    value = f(value);
    store_floats({&value, 1}, outputs[0], i);
  }
}

/// Calls f(T{}) with the element type of `dtype`. UnsupportedError for bool and state.
template <class F>
void visit_number(DType dtype, F f) {
  switch (dtype) {
    case DType::f32:
      return f(float{});
    case DType::f16:
      return f(Half{});
    case DType::bf16:
      return f(BFloat16{});
    case DType::f64:
      return f(double{});
    case DType::i8:
      return f(int8_t{});
    case DType::u8:
      return f(uint8_t{});
    case DType::i16:
      return f(int16_t{});
    case DType::u16:
      return f(uint16_t{});
    case DType::i32:
      return f(int32_t{});
    case DType::u32:
      return f(uint32_t{});
    case DType::i64:
      return f(int64_t{});
    case DType::u64:
      return f(uint64_t{});
    default:
      throw UnsupportedError("arithmetic on {} elements", dtype_name(dtype));
  }
}

/// The type that numbers of type T are computed in: f32 for the 16-bit floats, T itself otherwise.
template <class T>
auto widen(T value) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
    return to_float(value);
  else
    return value;
}
template <class T, class Computed>
T narrow(Computed value) {
  if constexpr (std::is_same_v<T, Half>)
    return to_half(static_cast<float>(value));
  else if constexpr (std::is_same_v<T, BFloat16>)
    return to_bfloat16(static_cast<float>(value));
  else
    return static_cast<T>(value);
}

/// f of each pair of elements of the two inputs, broadcast to the output's shape; all of one type.
template <class F>
void map_pairs(std::span<const Operand> inputs, std::span<const MutableTensorView> outputs, F f) {
  const Tensor a = plain(inputs[0]);
  const Tensor b = plain(inputs[1]);
  const MutableTensorView& y = outputs[0];
  visit_number(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto as = a.span<T>();
    const auto bs = b.span<T>();
    const auto ys = y.span<T>();
    walk<2>(y.shape, {broadcast_strides(a.shape(), y.shape), broadcast_strides(b.shape(), y.shape)},
            [&](int64_t i, const std::array<int64_t, 2>& at) {
              ys[static_cast<size_t>(i)] =
                  narrow<T>(f(widen(as[static_cast<size_t>(at[0])]), widen(bs[static_cast<size_t>(at[1])])));
            });
  });
}

/// Integer arithmetic that wraps around, as two's complement does, instead of being undefined.
template <class T, class F>
T wrapping(T a, T b, F f) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(f(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
  else
    return f(a, b);
}

}  // namespace halftone
