#pragma once

#include "ops/integer_meaning.h"

namespace halftone {

/// Attention on codes, in integers alone: Q, K and V as codes, neither mask nor past, cap nor window. Scores
/// are exact sums of products of (code - zero); their exponentials come from IntegerExp; a weight is the
/// exponential times 2^15 over their sum, or with attribute softmax = "log2" the power 2^-code of
/// logarithmic_code(), 4 bits; the weighted sum of (V - zero), exact, becomes the output's code by a
/// fixed-point multiplier, or a float where the output has no codes.
extern const IntegerMeaning attention_on_codes;

}  // namespace halftone
