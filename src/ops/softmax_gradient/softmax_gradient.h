#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// Our own operator: the gradient of a loss with respect to the input of Y = Softmax(input) along one axis:
/// Y (gradient - sum(gradient Y)).
///
/// Inputs: gradient and Y, of one floating type and shape. Attribute axis (-1). The reference sums in double.
const OpSchema& softmax_gradient_schema();

}  // namespace halftone
