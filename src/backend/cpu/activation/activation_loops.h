#pragma once

#include <cstdint>

#include "backend/activation.h"

namespace halftone::cpu {

/// Loops over floats for one instruction set.
struct ActivationLoops {
  /// y = f(x), or f(x) * up where `up` is not null. Swish takes alpha, leaky_relu the slope alpha below 0,
  /// hard_sigmoid is min(max(alpha x + beta, 0), 1).
  void (*apply)(Activation f, float alpha, float beta, const float* x, const float* up, float* y,
                int64_t count);
};

extern const ActivationLoops activation_avx512vnni;
extern const ActivationLoops activation_avx2;
extern const ActivationLoops activation_neon;

}  // namespace halftone::cpu
