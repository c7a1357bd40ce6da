#pragma once

#include "ops/conv/conv.h"
#include "ops/integer_weights.h"
#include "ops/requantizer.h"

namespace halftone {

/// Why a Conv has no integer meaning; empty when it has. It needs X, and the residual if there is one, stored
/// as codes, and weights as integer_weights_refusal() wants them. Gains go with silu or gelu, floating
/// requantization and codes that are not wide, without a residual, and are constant, positive and finite.
/// Padding is the code that means 0.
std::string integer_conv_refusal(const OpSite& site);

/// sum = bias + sum over c, t of (X - zero) W, joined by the residual (IntegerResidual), then as
/// ops/requantizer.h says. X, R and Y are planar here.
void integer_conv_reference(const OpSite& site, std::span<const Operand> inputs,
                            std::span<const MutableTensorView> outputs);

/// What a code of the residual of such a Conv stands for at each output: its factor there is an integer
/// (IntegerResidual).
std::vector<float> residual_scales(const OpSite& site, const QuantizedTensor& weights);

/// A constant bias, and constant gains, as f32; empty when there are none.
std::vector<float> constant_bias(const OpSite& site);
std::vector<float> constant_gains(const OpSite& site);

}  // namespace halftone
