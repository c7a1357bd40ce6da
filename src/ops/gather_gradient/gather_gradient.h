#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// Our own operator: the gradient of a loss with respect to the data of Gather: each slice of the gradient is
/// added where its index points, zeros elsewhere.
///
/// Inputs: gradient, f32, of the shape of Gather's output; indices as Gather has them (one outside adds
/// nothing); data, of which only the shape counts. Output: f32 of that shape. Attribute axis (0).
const OpSchema& gather_gradient_schema();

}  // namespace halftone
