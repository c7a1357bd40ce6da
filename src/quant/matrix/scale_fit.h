#pragma once

#include <span>

#include "scheme/encoding.h"
#include "scheme/number_format.h"

namespace halftone {

/// Scale and zero point of one group, as the encoding stores them (rounded to its scale type).
///
/// Without a search they fit the extremes, as rounding to nearest has them. With it, of scales from all of
/// the extremes' down to half of it, in steps of 1/40, the one whose codes leave the least sum of importance
/// times squared error (an empty `importance`: 1 for each). Symmetric integers then use the lowest code as
/// well, which GPTQ's own scale 2 max / (2^bits - 1) does.
CodeParams fit_group(const Encoding& encoding, std::span<const float> values,
                     std::span<const float> importance, bool search);

}  // namespace halftone
