#include "ops/gate_polynomial.h"

#include <algorithm>
#include <cmath>

namespace halftone {

Gate gate_of(FusedActivation::Kind kind) {
  switch (kind) {
    case FusedActivation::Kind::silu:
      return Gate::silu;
    case FusedActivation::Kind::gelu:
      return Gate::gelu;
    case FusedActivation::Kind::gelu_tanh:
      return Gate::gelu_tanh;
    case FusedActivation::Kind::hard_swish:
      return Gate::hard_swish;
    default:
      return Gate::none;
  }
}

float gated(Gate gate, float x) {
  const GatePolynomial& by = kGatePolynomials[static_cast<size_t>(gate)];
  const float u = std::min(by.reach, std::fabs(x));
  float r = by.coefficients[0];
  for (int i = 1; i <= GatePolynomial::kDegree; ++i) r = std::fma(r, u, by.coefficients[i]);
  if (by.fourth_power) {
    r *= r;
    r *= r;
  }
  return std::fma(-u, r, std::max(0.0f, x));
}

}  // namespace halftone
