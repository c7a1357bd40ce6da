#pragma once

#include <cmath>

namespace halftone {

/// The activations that stand in the gate of a gated MLP, in f32: the oracle of every kernel that has them.
inline float silu(float x) {
  return x / (1.0f + std::exp(-x));
}

/// x * Phi(x), Phi the normal distribution's cumulative function (Hendrycks and Gimpel, arXiv:1606.08415).
inline float gelu(float x) {
  return 0.5f * x * (1.0f + std::erf(x * 0.70710678118654752f));
}

/// The same paper's approximation: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
inline float gelu_tanh(float x) {
  return 0.5f * x * (1.0f + std::tanh(0.79788456080286536f * (x + 0.044715f * x * x * x)));
}

}  // namespace halftone
