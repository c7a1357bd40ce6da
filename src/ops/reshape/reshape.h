#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Reshape (14): the same elements under another shape.
///
/// shape is an i64 vector: a size, 0 (the input's size on that axis, unless attribute allowzero is 1), or one
/// -1 (what is left). With symbolic dimensions the -1 is found where they cancel and unknown otherwise.
///
/// Attribute known_dims, beyond ONNX: what follows from the graph's sizes of a shape that is computed,
/// kUnknownDim where nothing does; it counts for nothing where the shape is known.
const OpSchema& reshape_schema();

/// The shape that input 1 (of a Reshape or an Expand) will ask for, as far as attribute known_dims says.
Shape asked_shape(const OpSite& site);
/// InputError where a shape that is known contradicts it.
void check_known_dims(const OpSite& site, const Shape& shape);

}  // namespace halftone
