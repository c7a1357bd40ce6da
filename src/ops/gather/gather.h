#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Gather (13): the slices of data along `axis` (0) that indices name: output shape is data's with that
/// axis replaced by all of indices' (i64 or i32; a negative index counts from the back).
///
/// data may be a quantized constant when it is a matrix and axis is 0: the rows named are decoded to f32. An
/// index outside data gives NaN in floating types and zeros in others. Beyond ONNX, attribute to (1: f32)
/// makes the output f32 whatever floating type or encoding data has: an embedding's type then stays the same
/// when its table is quantized.
const OpSchema& gather_schema();

/// The i-th index, counted from the front, or -1 where it is outside [0, size).
int64_t gather_index(const Operand& indices, int64_t i, int64_t size);

/// Elements [begin, begin + count) of `out` as an index outside data leaves them.
void fill_missing(const MutableTensorView& out, int64_t begin, int64_t count);

}  // namespace halftone
