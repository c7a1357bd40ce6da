#include "core/tensor.h"

#include <cassert>
#include <cstdlib>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"

namespace halftone {
namespace {

constexpr size_t kAlignment = 64;

template <class T, class Convert>
void load_as(const TensorView& tensor, int64_t begin, std::span<float> out, Convert convert) {
  const std::byte* from = tensor.data + static_cast<size_t>(begin) * sizeof(T);
  for (size_t i = 0; i < out.size(); ++i) {
    T element;
    std::memcpy(&element, from + i * sizeof(T), sizeof(T));
    out[i] = convert(element);
  }
}

template <class T, class Convert>
void store_as(std::span<const float> values, const MutableTensorView& tensor, int64_t begin,
              Convert convert) {
  T* to = reinterpret_cast<T*>(tensor.data) + begin;
  for (size_t i = 0; i < values.size(); ++i) to[i] = convert(values[i]);
}

}  // namespace

template <class Byte>
void BasicTensorView<Byte>::check_dtype([[maybe_unused]] DType expected) const {
  assert(dtype == expected);
}
template struct BasicTensorView<std::byte>;
template struct BasicTensorView<const std::byte>;

Tensor Tensor::allocate(DType dtype, const Shape& shape) {
  auto elements = shape.checked_elements();
  auto bytes = elements ? checked_mul(*elements, static_cast<int64_t>(dtype_bytes(dtype))) : std::nullopt;
  if (!bytes) throw ResourceError("a tensor of shape {} has too many elements", shape.str());
  const size_t rounded = round_up(static_cast<size_t>(*bytes) + 1, kAlignment);
  void* memory = std::aligned_alloc(kAlignment, rounded);
  if (!memory) throw ResourceError("out of memory: {} bytes for a tensor of shape {}", *bytes, shape.str());
  Tensor tensor;
  tensor.owner_ = std::shared_ptr<const void>(memory, [](const void* p) { std::free(const_cast<void*>(p)); });
  tensor.view_ = {dtype, shape, static_cast<const std::byte*>(memory)};
  tensor.writable_ = true;
  return tensor;
}

Tensor Tensor::zeros(DType dtype, const Shape& shape) {
  Tensor tensor = allocate(dtype, shape);
  std::memset(tensor.mutable_view().data, 0, tensor.size_bytes());
  return tensor;
}

Tensor Tensor::view_of(std::shared_ptr<const void> owner, const TensorView& view) {
  Tensor tensor;
  tensor.owner_ = std::move(owner);
  tensor.view_ = view;
  return tensor;
}

MutableTensorView Tensor::mutable_view() {
  assert(writable_);
  return {view_.dtype, view_.shape, const_cast<std::byte*>(view_.data)};
}

Tensor Tensor::reshaped(const Shape& shape) const {
  assert(shape.elements() == view_.shape.elements());
  Tensor other = *this;
  other.view_.shape = shape;
  return other;
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  assert(0 <= begin && begin <= end && end <= view_.shape[0]);
  Tensor part = *this;
  part.view_.shape[0] = 1;
  const size_t row_bytes = part.view_.size_bytes();
  part.view_.shape[0] = end - begin;
  part.view_.data += static_cast<size_t>(begin) * row_bytes;
  return part;
}

void load_floats(const TensorView& tensor, int64_t begin, std::span<float> out) {
  if (out.empty()) return;
  switch (tensor.dtype) {
    case DType::f32:
      std::memcpy(out.data(), tensor.data + static_cast<size_t>(begin) * sizeof(float), out.size_bytes());
      return;
    case DType::f16:
      return load_as<Half>(tensor, begin, out, [](Half x) { return to_float(x); });
    case DType::bf16:
      return load_as<BFloat16>(tensor, begin, out, [](BFloat16 x) { return to_float(x); });
    case DType::f64:
      return load_as<double>(tensor, begin, out, [](double x) { return static_cast<float>(x); });
    default:
      throw UnsupportedError("reading {} elements as floating point", dtype_name(tensor.dtype));
  }
}

void store_floats(std::span<const float> values, const MutableTensorView& tensor, int64_t begin) {
  switch (tensor.dtype) {
    case DType::f32:
      return store_as<float>(values, tensor, begin, [](float x) { return x; });
    case DType::f16:
      return store_as<Half>(values, tensor, begin, [](float x) { return to_half(x); });
    case DType::bf16:
      return store_as<BFloat16>(values, tensor, begin, [](float x) { return to_bfloat16(x); });
    case DType::f64:
      return store_as<double>(values, tensor, begin, [](float x) { return double{x}; });
    default:
      throw UnsupportedError("writing floating point as {} elements", dtype_name(tensor.dtype));
  }
}

Tensor to_f32(const Tensor& tensor) {
  const bool aligned = reinterpret_cast<uintptr_t>(tensor.view().data) % alignof(float) == 0;
  if (tensor.dtype() == DType::f32 && aligned) return tensor;
  Tensor converted = Tensor::allocate(DType::f32, tensor.shape());
  load_floats(tensor.view(), 0, converted.mutable_view().span<float>());
  return converted;
}

}  // namespace halftone
