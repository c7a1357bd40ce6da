#include "ops/onnx_type.h"

#include <array>
#include <string_view>

#include "base/error.h"

namespace halftone {
namespace {

struct OnnxType {
  std::string_view name;
  std::optional<DType> dtype;
};

/// By number (onnx.proto, ONNX 1.22).
constexpr std::array<OnnxType, 27> kTypes{{
    {"undefined", std::nullopt},
    {"float", DType::f32},
    {"uint8", DType::u8},
    {"int8", DType::i8},
    {"uint16", DType::u16},
    {"int16", DType::i16},
    {"int32", DType::i32},
    {"int64", DType::i64},
    {"string", std::nullopt},
    {"bool", DType::boolean},
    {"float16", DType::f16},
    {"double", DType::f64},
    {"uint32", DType::u32},
    {"uint64", DType::u64},
    {"complex64", std::nullopt},
    {"complex128", std::nullopt},
    {"bfloat16", DType::bf16},
    {"float8e4m3fn", std::nullopt},
    {"float8e4m3fnuz", std::nullopt},
    {"float8e5m2", std::nullopt},
    {"float8e5m2fnuz", std::nullopt},
    {"uint4", std::nullopt},
    {"int4", std::nullopt},
    {"float4e2m1", std::nullopt},
    {"float8e8m0", std::nullopt},
    {"uint2", std::nullopt},
    {"int2", std::nullopt},
}};

}  // namespace

std::optional<DType> dtype_from_onnx(int64_t number) {
  if (number < 0 || number >= static_cast<int64_t>(kTypes.size())) return std::nullopt;
  return kTypes[static_cast<size_t>(number)].dtype;
}

int64_t onnx_from_dtype(DType dtype) {
  for (size_t number = 0; number < kTypes.size(); ++number)
    if (kTypes[number].dtype == dtype) return static_cast<int64_t>(number);
  return 0;
}

std::string onnx_type_name(int64_t number) {
  if (number < 0 || number >= static_cast<int64_t>(kTypes.size())) return fmt::format("type {}", number);
  return std::string(kTypes[static_cast<size_t>(number)].name);
}

}  // namespace halftone
