#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "scheme/quantized_tensor.h"

namespace halftone {

/// bitsandbytes' signed 8-bit dynamic code book, ascending: 0, 1 and, for each i of 0..6, the 2^i middles of
/// equal parts of [0.1, 1] times 10^(i-6), with both signs (`functional.py`, create_dynamic_map; Dettmers,
/// arXiv:1511.04561). Entries are exact values rounded to f32; bitsandbytes' own differ in the last bit.
std::span<const float> dynamic_codebook();

/// Scales minus their mean, in blocks of `block`, each by its absmax, in dynamic codes. Scales must be
/// finite.
QuantizedTensor::NestedScales nest_scales(std::span<const float> scales, int64_t block);

/// Scales [begin, begin + out.size()) back again.
void unnest_scales(const QuantizedTensor::NestedScales& nested, int64_t block, int64_t begin,
                   std::span<float> out);

}  // namespace halftone
