#pragma once

#include "ops/integer_meaning.h"

namespace halftone {

/// Softmax on codes, in integers alone: exponentials of (code - largest code) by
/// IntegerExp, each times 2^16 over their sum, and that by a fixed-point
/// multiplier to the output's codes, or, 2^30 over their sum, to a float.
extern const IntegerMeaning softmax_on_codes;

}  // namespace halftone
