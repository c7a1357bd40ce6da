#pragma once

#include "ops/conv/conv.h"
#include "ops/integer_weights.h"

namespace halftone {

/// A Conv whose X has a dynamic encoding on this use: each picture is rounded to symmetric int8 under a scale
/// of its own (scheme/dynamic.h, the picture as one row), sums are exact in 32 bits, and
///   Y = activation((float(sum) * scale of W) * scale of the picture + B + R), each operation rounded in f32.
/// Padding is 0. Why the site has no such meaning; empty when it has: W symmetric int8 with one scale a
/// tensor or an output, at most kIntegerColumnsMax columns.
std::string dynamic_conv_refusal(const OpSite& site);

/// The weights of such a Conv; units are their scales alone, biases are left out.
IntegerWeights dynamic_conv_weights(const OpSite& site, const QuantizedTensor& weights);

void dynamic_conv_reference(const OpSite& site, std::span<const Operand> inputs,
                            std::span<const MutableTensorView> outputs);

}  // namespace halftone
