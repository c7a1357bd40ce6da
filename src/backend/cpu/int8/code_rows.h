#pragma once

#include "backend/cpu/int8/code_multiply.h"

namespace halftone::cpu {

/// Bytes that multiply_rows() and its run need.
size_t code_rows_workspace_bytes(const CodeWeights& weights, int threads);

/// The product of `codes` [rows, channels], rows > 0, one row behind the other, with weights of one tap and
/// group. Where it goes is the caller's to set before it runs, on the same workspace. It reads the last row
/// from a copy there that is readable for whole quads.
CodeMultiply multiply_rows(const CodeWeights& weights, const uint8_t* codes, int64_t rows,
                           std::span<std::byte> workspace, int threads);

}  // namespace halftone::cpu
