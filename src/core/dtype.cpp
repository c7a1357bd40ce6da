#include "core/dtype.h"

#include <array>

namespace halftone {
namespace {

struct Entry {
  DType dtype;
  std::string_view name;
  size_t bytes;
  bool floating;
};

constexpr std::array<Entry, 14> kTypes{{{DType::f32, "f32", 4, true},
                                        {DType::f16, "f16", 2, true},
                                        {DType::bf16, "bf16", 2, true},
                                        {DType::f64, "f64", 8, true},
                                        {DType::i8, "i8", 1, false},
                                        {DType::u8, "u8", 1, false},
                                        {DType::i16, "i16", 2, false},
                                        {DType::u16, "u16", 2, false},
                                        {DType::i32, "i32", 4, false},
                                        {DType::u32, "u32", 4, false},
                                        {DType::i64, "i64", 8, false},
                                        {DType::u64, "u64", 8, false},
                                        {DType::boolean, "bool", 1, false},
                                        {DType::state, "state", 0, false}}};

const Entry& entry(DType dtype) {
  return kTypes[static_cast<size_t>(dtype)];
}

}  // namespace

std::string_view dtype_name(DType dtype) {
  return entry(dtype).name;
}
size_t dtype_bytes(DType dtype) {
  return entry(dtype).bytes;
}
bool is_float(DType dtype) {
  return entry(dtype).floating;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Entry& known : kTypes)
    if (known.name == name) return known.dtype;
  return std::nullopt;
}

}  // namespace halftone
