#pragma once

#include "ops/code_sum.h"
#include "ops/integer_meaning.h"
#include "ops/requantizer.h"

namespace halftone {

/// Add of two tensors of one shape, codes in and codes out, wide ones too (ops/code_sum.h).
extern const IntegerMeaning add_on_codes;

/// Mul of two tensors of one shape, codes in and codes out: (a - za) (b - zb), then as ops/requantizer.h
/// says.
extern const IntegerMeaning mul_on_codes;

}  // namespace halftone
