#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Pad (18): more (or, with negative pads, fewer) elements before and behind each axis.
///
/// pads lists those before, then those behind; for all axes or those that `axes` names. Attribute mode says
/// what stands there: "constant" (constant_value, 0), "edge" (the nearest element), "reflect" (mirrored at
/// the edge element) or "wrap" (the other end again).
const OpSchema& pad_schema();

}  // namespace halftone
