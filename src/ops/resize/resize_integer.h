#pragma once

#include "ops/integer_meaning.h"
#include "ops/resize/resize.h"

namespace halftone {

/// Interpolating Resize of two spatial axes on codes that keep their scale: along each axis the weights of an
/// output are whole numbers that add up to 1024; a code is the sum of codes times the products of both
/// weights, exact in 32 bits, plus half of 2^20, over 2^20, rounded down and clamped to 0..255. No zero takes
/// part, because weights add up to 1. mode nearest has no meaning of its own: it moves codes.
extern const IntegerMeaning resize_on_codes;

inline constexpr int kResizeWeightBits = 10;

/// One input of an output along one axis.
struct CodeTap {
  int64_t from;
  int32_t weight;
};
/// resize_taps() in whole weights, each rounded; what is missing to 1024 joins the largest.
std::vector<std::vector<CodeTap>> code_taps(const OpSite& site, const ResizeAxis& axis);

}  // namespace halftone
