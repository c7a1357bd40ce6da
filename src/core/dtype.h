#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace halftone {

/// Element types of plain tensors. `state` marks a value that a session keeps between runs (a KV cache); it
/// has no bytes.
enum class DType : uint8_t { f32, f16, bf16, f64, i8, u8, i16, u16, i32, u32, i64, u64, boolean, state };

std::string_view dtype_name(DType dtype);  ///< "f32", "bf16", "i64", "bool", ...
std::optional<DType> dtype_from_name(std::string_view name);
size_t dtype_bytes(DType dtype);  ///< Bytes of one element; 0 for state.
bool is_float(DType dtype);       ///< f32, f16, bf16, f64.

}  // namespace halftone
