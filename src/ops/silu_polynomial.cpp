#include "ops/silu_polynomial.h"

#include <algorithm>
#include <cmath>

namespace halftone {

float silu_by_polynomial(float x) {
  const float u = std::min(kSiluReach, std::fabs(x));
  float r = kSiluCoefficients[0];
  for (int i = 1; i <= kSiluDegree; ++i) r = std::fma(r, u, kSiluCoefficients[i]);
  r *= r;
  r *= r;
  return std::fma(-u, r, std::max(0.0f, x));
}

}  // namespace halftone
