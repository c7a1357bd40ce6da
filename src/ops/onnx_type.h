#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/dtype.h"

namespace halftone {

/// The element type of that number in ONNX (TensorProto.DataType), if there is one here.
std::optional<DType> dtype_from_onnx(int64_t number);
int64_t onnx_from_dtype(DType dtype);
/// "float8e4m3fn", "string", ...: for errors.
std::string onnx_type_name(int64_t number);

}  // namespace halftone
