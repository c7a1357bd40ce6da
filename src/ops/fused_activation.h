#pragma once

#include <string>

#include "ops/op_schema.h"

namespace halftone {

/// What a Conv or Gemm does to its sum before it is stored: our extension of both, set by passes.
struct FusedActivation {
  enum class Kind {
    none,
    relu,          ///< max(x, 0)
    clip,          ///< min(max(x, a), b)
    leaky_relu,    ///< x < 0 ? a x : x
    sigmoid,       ///< 1 / (1 + e^-x)
    silu,          ///< x sigmoid(x)
    hard_sigmoid,  ///< min(max(a x + b, 0), 1)
    hard_swish,    ///< x min(max(x / 6 + 1/2, 0), 1)
    tanh,
    gelu,       ///< x Phi(x)
    gelu_tanh,  ///< its approximation by tanh (ops/activation.h)
  };
  Kind kind = Kind::none;
  float a = 0, b = 0;
};

/// Reads the attributes activation ("relu", "clip", ...; absent: none), activation_a and activation_b.
/// InputError for a name that is none of them.
FusedActivation fused_activation(const OpSite& site);

/// Writes them into a node's attributes.
void set_fused_activation(Attributes& attributes, const FusedActivation& activation);

/// In f32: the oracle of every kernel that has it in its epilogue.
float apply_activation(const FusedActivation& activation, float x);

}  // namespace halftone
