#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// Our own operator, a residual connection and the norm after it in one: sum = x + skip,
/// normalised = RMSNormalization(sum, scale) over the last axis.
///
/// Inputs: x and skip of one floating type and shape [..., width], scale [width]. Outputs: normalised, sum,
/// both of that shape; sum is rounded to its type before it is normalised. Attribute epsilon (1e-5).
const OpSchema& skip_rms_normalization_schema();

}  // namespace halftone
