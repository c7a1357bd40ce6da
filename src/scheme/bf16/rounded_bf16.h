#pragma once

#include <span>

#include "scheme/encoding.h"

namespace halftone {

/// "bf16" as the encoding of an activation on a use: each number rounded to the nearest bf16, half to even,
/// as the operator reads it. There is neither code nor scale, so number_formats() does not list it and no
/// constant has it (a constant is stored as DType::bf16). find_number_format() knows it.
const NumberFormat* rounded_bf16();

/// The dynamic encoding of that format.
Encoding bf16_activations();

/// Whether the encoding is that one.
bool is_rounded_bf16(const Encoding& encoding);

/// What it means: the scalar reference, in place too. NaN stays NaN. Kernels may take denormals for 0.
void round_to_bf16(std::span<const float> values, float* to);

}  // namespace halftone
