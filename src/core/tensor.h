#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "core/dtype.h"
#include "core/float16.h"
#include "core/shape.h"

namespace halftone {

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<Half> {
  static constexpr DType value = DType::f16;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<int8_t> {
  static constexpr DType value = DType::i8;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct DTypeOf<int16_t> {
  static constexpr DType value = DType::i16;
};
template <>
struct DTypeOf<uint16_t> {
  static constexpr DType value = DType::u16;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<uint32_t> {
  static constexpr DType value = DType::u32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<uint64_t> {
  static constexpr DType value = DType::u64;
};
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::boolean;
};

/// Looks at a dense row-major tensor that somebody else owns. `Byte` is std::byte or const std::byte.
template <class Byte>
struct BasicTensorView {
  DType dtype = DType::f32;
  Shape shape;
  Byte* data = nullptr;

  size_t size_bytes() const { return static_cast<size_t>(shape.elements()) * dtype_bytes(dtype); }
  std::span<Byte> bytes() const { return {data, size_bytes()}; }

  /// The elements as a T. The dtype must be T's (an assert).
  template <class T>
  auto span() const {
    using Element = std::conditional_t<std::is_const_v<Byte>, const T, T>;
    check_dtype(DTypeOf<T>::value);
    return std::span<Element>(reinterpret_cast<Element*>(data), static_cast<size_t>(shape.elements()));
  }

  operator BasicTensorView<const std::byte>() const requires(!std::is_const_v<Byte>) {
    return {dtype, shape, data};
  }

 private:
  void check_dtype(DType expected) const;
};

using TensorView = BasicTensorView<const std::byte>;
using MutableTensorView = BasicTensorView<std::byte>;

/// A dense row-major tensor and its ownership: of its own memory (64-byte aligned), or of a part of something
/// larger (a mapped file) that it keeps alive. Copies share the bytes.
class Tensor {
 public:
  Tensor() = default;

  /// Uninitialised memory. Throws ResourceError when there is none.
  static Tensor allocate(DType dtype, const Shape& shape);
  static Tensor zeros(DType dtype, const Shape& shape);
  /// Bytes inside `owner`, which stays alive as long as the tensor. They must fit dtype and shape; any
  /// alignment will do for readers that use load_float(), typed spans need the type's own.
  static Tensor view_of(std::shared_ptr<const void> owner, const TensorView& view);

  template <class T>
  static Tensor from(const Shape& shape, std::span<const T> values) {
    Tensor tensor = allocate(DTypeOf<T>::value, shape);
    std::copy(values.begin(), values.end(), tensor.mutable_view().template span<T>().begin());
    return tensor;
  }
  template <class T>
  static Tensor from(const Shape& shape, std::initializer_list<T> values) {
    return from(shape, std::span<const T>(values.begin(), values.size()));
  }

  bool empty() const { return !owner_; }
  DType dtype() const { return view_.dtype; }
  const Shape& shape() const { return view_.shape; }
  size_t size_bytes() const { return view_.size_bytes(); }
  const TensorView& view() const { return view_; }
  const std::shared_ptr<const void>& owner() const { return owner_; }
  /// The tensor must own its memory (an assert): mapped bytes are read-only.
  MutableTensorView mutable_view();

  template <class T>
  std::span<const T> span() const {
    return view_.span<T>();
  }

  /// The same bytes under another shape of as many elements.
  Tensor reshaped(const Shape& shape) const;
  /// Rows [begin, end) along the first axis, sharing the bytes.
  Tensor rows(int64_t begin, int64_t end) const;

 private:
  std::shared_ptr<const void> owner_;
  TensorView view_;
  bool writable_ = false;
};

/// Elements [begin, begin + out.size()) of a floating tensor of any alignment, as f32.
void load_floats(const TensorView& tensor, int64_t begin, std::span<float> out);

/// All elements as an f32 tensor (shares the bytes if it already is one, and is aligned).
Tensor to_f32(const Tensor& tensor);

/// Rounds f32 `values` into a floating tensor from element `begin` on.
void store_floats(std::span<const float> values, const MutableTensorView& tensor, int64_t begin);

}  // namespace halftone
