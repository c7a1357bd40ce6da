#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "ops/op_schema.h"
#include "ops/strided.h"

namespace halftone {

/// Whether two dimensions may be of one size when the model runs: only two that are known differ for sure.
constexpr bool sizes_may_agree(int64_t a, int64_t b) {
  return a == b || a < 0 || b < 0;
}

/// The shape of a and b broadcast together (ONNX's multidirectional rule). Two symbols, either of which may
/// be 1 when the model runs, give an unknown dimension. InputError where they do not fit.
Shape broadcast_shapes(const OpSite& site, const Shape& a, const Shape& b);

/// Whether two shapes are of one rank and their dimensions agree as far as they are known.
bool shapes_agree(const Shape& a, const Shape& b);
/// Whether `from` broadcasts to `to` without widening it, as far as they are known.
bool broadcasts_to(const Shape& from, const Shape& to);

/// One floating input, one output of its type.
std::vector<ValueType> infer_float_map(const OpSite& site);
/// One input of any type, one output of the same.
std::vector<ValueType> infer_same(const OpSite& site);
/// Two inputs of one number type, broadcast together.
std::vector<ValueType> infer_arithmetic(const OpSite& site);

/// InputError unless inputs[input] has number elements (no bool, no state).
void require_number(const OpSite& site, size_t input);

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

/// The same with bool among the types.
template <class F>
void visit_element(DType dtype, F f) {
  if (dtype == DType::boolean) return f(bool{});
  visit_number(dtype, f);
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

/// A number as another element type. Floating to integer cuts towards zero and, beyond the type's range,
/// gives its nearest end (NaN gives 0); anything but 0 is true; integers wrap around.
template <class To, class From>
To to_number(From from) {
  const auto value = widen(from);
  if constexpr (std::is_same_v<To, bool>) {
    return value != 0;
  } else if constexpr (std::is_floating_point_v<decltype(value)> && std::is_integral_v<To>) {
    constexpr double kLeast = static_cast<double>(std::numeric_limits<To>::min());
    constexpr To kHalf = std::numeric_limits<To>::max() / 2 + 1;
    constexpr double kBeyond = 2.0 * static_cast<double>(kHalf);
    if (std::isnan(value)) return 0;
    if (value <= kLeast) return std::numeric_limits<To>::min();
    if (value >= kBeyond) return std::numeric_limits<To>::max();
    return static_cast<To>(value);
  } else {
    return narrow<To>(value);
  }
}

/// f of each element of inputs[0], of any number type, which is the output's too.
template <class F>
void map_numbers(std::span<const Operand> inputs, std::span<const MutableTensorView> outputs, F f) {
  const Tensor x = plain(inputs[0]);
  visit_number(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto from = x.span<T>();
    const auto to = outputs[0].span<T>();
    for (size_t i = 0; i < from.size(); ++i) to[i] = narrow<T>(f(widen(from[i])));
  });
}

/// f of each pair of elements of the two inputs, of type In, broadcast to y's shape, as Out.
template <class In, class Out, class F>
void map_broadcast(std::span<const Operand> inputs, const MutableTensorView& y, F f) {
  const Tensor a = plain(inputs[0]);
  const Tensor b = plain(inputs[1]);
  const auto as = a.span<In>();
  const auto bs = b.span<In>();
  const auto ys = y.span<Out>();
  walk<2>(y.shape, {broadcast_strides(a.shape(), y.shape), broadcast_strides(b.shape(), y.shape)},
          [&](int64_t i, const std::array<int64_t, 2>& at) {
            ys[static_cast<size_t>(i)] =
                narrow<Out>(f(widen(as[static_cast<size_t>(at[0])]), widen(bs[static_cast<size_t>(at[1])])));
          });
}

/// The same where the output has the inputs' number type.
template <class F>
void map_pairs(std::span<const Operand> inputs, std::span<const MutableTensorView> outputs, F f) {
  visit_number(outputs[0].dtype,
               [&](auto zero) { map_broadcast<decltype(zero), decltype(zero)>(inputs, outputs[0], f); });
}

/// The larger and the smaller of two numbers; NaN if either is.
template <class T>
T higher(T a, T b) {
  return a > b || a != a ? a : b;
}
template <class T>
T lower(T a, T b) {
  return a < b || a != a ? a : b;
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
