#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// Our own operator: the gradient of a loss with respect to the data of Gather: each slice of the gradient is
/// added where its index points along `axis` of the output, zeros elsewhere.
///
/// Inputs: gradient, f32, of the shape of Gather's output; indices as Gather has them (one outside adds
/// nothing). Output: f32, the gradient's shape with the axes of indices replaced by one of attribute `size`.
/// Attribute axis (0) counts from the front.
const OpSchema& gather_gradient_schema();

}  // namespace halftone
