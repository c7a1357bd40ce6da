#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "halftone/export.h"

namespace halftone::sdk {

enum class Type : uint8_t { f32, f16, bf16, f64, i8, u8, i16, u16, i32, u32, i64, u64, boolean };

HALFTONE_API size_t type_bytes(Type type);
HALFTONE_API const char* type_name(Type type);  ///< "f32", "i64", ...

using Shape = std::vector<int64_t>;

/// What a tensor is: its name in the model, type and shape. Negative sizes are open until the model runs.
struct TensorInfo {
  std::string name;
  Type type = Type::f32;
  Shape shape;
};

/// A dense row-major tensor that owns its bytes.
class HALFTONE_API Tensor {
 public:
  Tensor() = default;
  /// Zeros. Throws Error (usage) for a negative size or one that overflows.
  Tensor(Type type, Shape shape);
  /// f32. Throws Error (usage) when the values are not as many as the shape says.
  Tensor(Shape shape, std::span<const float> values);

  Type type() const { return type_; }
  const Shape& shape() const { return shape_; }
  int64_t elements() const;
  std::span<std::byte> bytes() { return bytes_; }
  std::span<const std::byte> bytes() const { return bytes_; }

  /// The elements as T, whose size must be that of the type (Error, usage, otherwise).
  template <class T>
  std::span<T> data() {
    check_size(sizeof(T));
    return {reinterpret_cast<T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }
  template <class T>
  std::span<const T> data() const {
    check_size(sizeof(T));
    return {reinterpret_cast<const T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }

 private:
  void check_size(size_t bytes) const;
  Type type_ = Type::f32;
  Shape shape_;
  std::vector<std::byte> bytes_;
};

}  // namespace halftone::sdk
