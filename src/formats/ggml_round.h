#pragma once

#include <span>

#include "formats/gguf_type.h"

namespace halftone {

// Rounding of 32 numbers as ggml's reference quantizers do it (ggml-quants.c), to the bit: codes come from
// the scale before it is rounded to f16. `block` gets codes, and scale and minimum as f16 stores them.

/// The number of largest magnitude becomes code 0, -8 times the scale.
void round_q4_0(std::span<const float> values, const GgmlBlock& block);

/// From the least to the largest number in 15 steps.
void round_q4_1(std::span<const float> values, const GgmlBlock& block);

/// The largest magnitude is 127 times the scale; halves go away from zero.
void round_q8_0(std::span<const float> values, const GgmlBlock& block);

}  // namespace halftone
