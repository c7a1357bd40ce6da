#pragma once

#include <cstdint>

#include "ops/fused_activation.h"

namespace halftone {

/// x g(x) in products and sums alone, the same bit for bit with any vectors, for gates g(x) = 1 - g(-x):
/// with u = min(|x|, reach) and r the polynomial,
///   x g(x) = max(x, 0) - u r(u)^4,
/// for x g(x) = max(x, 0) - |x| g(-|x|), and g(-u) is steep where r, near its fourth root, is not. The
/// coefficients leave the least maximum error of u r(u)^4 on [0, reach] among those with r(reach) = 0. That
/// of 0 is 0. hard_swish has g(-u) = 1/2 - u/6 itself in the place of r(u)^4.
struct GatePolynomial {
  static constexpr int kDegree = 6;
  bool fourth_power;
  float reach;
  float coefficients[kDegree + 1];  ///< of r, the highest power first, as Horner's scheme takes them
};

enum class Gate : uint8_t { none, silu, gelu, gelu_tanh, hard_swish };

/// By gate. Errors of any x: silu at most 1.03e-4 (beyond the reach 2.9e-5), gelu 4.2e-6, gelu_tanh 8.7e-6,
/// or what f32 rounds to.
inline constexpr GatePolynomial kGatePolynomials[] = {
    {},
    {true,
     13.25f,
     {-0x1.1e03d0p-19f, 0x1.67951ep-14f, -0x1.61f7cep-10f, 0x1.4ce80ep-7f, -0x1.d32d22p-6f, -0x1.9af56cp-4f,
      0x1.ae1d14p-1f}},
    {true,
     5.4f,
     {0x1.6e8b16p-14f, -0x1.6cf1e0p-10f, 0x1.9fa4e4p-8f, 0x1.0df054p-9f, -0x1.906fdap-5f, -0x1.5810e4p-3f,
      0x1.ae8b1cp-1f}},
    {true,
     5.2f,
     {0x1.0896a0p-14f, -0x1.095770p-10f, 0x1.1f9190p-8f, 0x1.7eee60p-8f, -0x1.a875e6p-5f, -0x1.560402p-3f,
      0x1.ae7d6ep-1f}},
    {false, 3, {0, 0, 0, 0, 0, -1.0f / 6, 0.5f}}};

/// The gate of an activation that is x times one of these, or none.
Gate gate_of(FusedActivation::Kind kind);

/// The scalar form. Each multiply-add rounds once; NaN counts as -reach.
float gated(Gate gate, float x);

}  // namespace halftone
