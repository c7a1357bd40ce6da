#pragma once

#include "backend/kernel.h"
#include "ops/conv/conv_integer.h"

namespace halftone::cpu {

/// Why a Conv on codes is none for the integer kernels, whatever its groups; empty when it may be.
Refusal int8_conv_refusal(const OpSite& site);

/// What the kernels prepare of it: weights, and how sums end.
struct Int8ConvLayer {
  explicit Int8ConvLayer(const OpSite& site);
  ConvExtent extent;
  CodeScale input;
  IntegerWeights weights;
  IntegerResidual residual;
  Requantizer requantizer;
};

}  // namespace halftone::cpu
