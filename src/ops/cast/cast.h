#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Cast (13) to the element type of attribute to (ONNX's TensorProto.DataType number), for numbers and
/// bool. Floating to integer cuts towards zero and, beyond the type's range, gives its nearest end (NaN gives
/// 0); anything but 0 is true.
const OpSchema& cast_schema();

}  // namespace halftone
