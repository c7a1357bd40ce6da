#include <array>
#include <cstring>
#include <new>

#include "base/error.h"
#include "sdk/convert.h"

namespace halftone::sdk {
namespace {

constexpr std::array kTypes = {DType::f32, DType::f16, DType::bf16,   DType::f64, DType::i8,
                               DType::u8,  DType::i16, DType::u16,    DType::i32, DType::u32,
                               DType::i64, DType::u64, DType::boolean};

size_t checked_bytes(Type type, const Shape& shape) {
  if (shape.size() > ::halftone::Shape::kMaxRank)
    throw Error(Error::Kind::usage, fmt::format("a tensor of {} dimensions", shape.size()));
  for (int64_t size : shape)
    if (size < 0) throw Error(Error::Kind::usage, fmt::format("a tensor with a dimension of {}", size));
  const auto elements = to_shape(shape).checked_elements();
  if (!elements || *elements > INT64_MAX / 16)
    throw Error(Error::Kind::usage, "a tensor of too many elements");
  return static_cast<size_t>(*elements) * type_bytes(type);
}

}  // namespace

DType to_dtype(Type type) {
  return kTypes[static_cast<size_t>(type)];
}
Type from_dtype(DType dtype) {
  for (size_t i = 0; i < kTypes.size(); ++i)
    if (kTypes[i] == dtype) return static_cast<Type>(i);
  throw Error(Error::Kind::unsupported, "the graph keeps a state from run to run: it is a language model");
}

::halftone::Shape to_shape(const Shape& shape) {
  ::halftone::Shape made;
  for (int64_t size : shape) made.push_back(size);
  return made;
}
Shape from_shape(const ::halftone::Shape& shape) {
  Shape made;
  for (int axis = 0; axis < shape.rank(); ++axis) made.push_back(shape[axis]);
  return made;
}

void throw_as_public() {
  try {
    throw;
  } catch (const ::halftone::Error& error) {
    constexpr Error::Kind kKinds[] = {Error::Kind::internal, Error::Kind::internal,    Error::Kind::usage,
                                      Error::Kind::input,    Error::Kind::unsupported, Error::Kind::resource};
    throw Error(kKinds[static_cast<size_t>(error.code())], error.what());
  } catch (const std::bad_alloc&) {
    throw Error(Error::Kind::resource, "out of memory");
  } catch (const std::exception& error) {
    throw Error(Error::Kind::internal, error.what());
  }
}

size_t type_bytes(Type type) {
  return dtype_bytes(to_dtype(type));
}
const char* type_name(Type type) {
  return dtype_name(to_dtype(type)).data();  // literals, so they end in 0
}

Tensor::Tensor(Type type, Shape shape)
    : type_(type), shape_(std::move(shape)), bytes_(checked_bytes(type_, shape_)) {}

Tensor::Tensor(Shape shape, std::span<const float> values) : Tensor(Type::f32, std::move(shape)) {
  if (values.size_bytes() != bytes_.size())
    throw Error(Error::Kind::usage, fmt::format("{} values for a tensor of {}", values.size(), elements()));
  if (!values.empty()) std::memcpy(bytes_.data(), values.data(), values.size_bytes());
}

int64_t Tensor::elements() const {
  return static_cast<int64_t>(bytes_.size() / type_bytes(type_));
}

void Tensor::check_size(size_t bytes) const {
  if (bytes != type_bytes(type_))
    throw Error(Error::Kind::usage,
                fmt::format("elements of {} bytes asked of a tensor of {}", bytes, type_name(type_)));
}

}  // namespace halftone::sdk
