#pragma once

namespace halftone {

/// silu(x) = x / (1 + e^-x) in products and sums alone, the same bit for bit with any vectors: with
/// u = min(|x|, kSiluReach) and r the polynomial,
///   silu(x) = max(x, 0) - u r(u)^4,
/// for silu(x) = max(x, 0) - d(|x|), d(u) = u / (1 + e^u), and d is steep where r, near (1 + e^u)^(-1/4), is
/// not. The coefficients leave the least maximum error of d on [0, kSiluReach] among those with
/// r(kSiluReach) = 0. Of any x the error is at most 1.03e-4; that of 0 is 0, beyond the reach it is below
/// 2.9e-5 (below 0) or what f32 rounds to.
inline constexpr int kSiluDegree = 6;
inline constexpr float kSiluReach = 13.25f;
/// Of r, the highest power first, as Horner's scheme takes them.
inline constexpr float kSiluCoefficients[kSiluDegree + 1] = {
    -0x1.1e03d0p-19f, 0x1.67951ep-14f, -0x1.61f7cep-10f, 0x1.4ce80ep-7f,
    -0x1.d32d22p-6f,  -0x1.9af56cp-4f, 0x1.ae1d14p-1f};

/// The scalar form. Each multiply-add rounds once; NaN counts as -kSiluReach.
float silu_by_polynomial(float x);

}  // namespace halftone
