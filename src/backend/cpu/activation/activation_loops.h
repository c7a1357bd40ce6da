#pragma once

#include <cstdint>

namespace halftone::cpu {

enum class Activation { sigmoid, tanh, swish, gelu, gelu_tanh };

/// Loops over floats for one instruction set.
struct ActivationLoops {
  /// y = f(x), or f(x) * up where `up` is not null. `alpha` is Swish's.
  void (*apply)(Activation f, float alpha, const float* x, const float* up, float* y, int64_t count);
};

extern const ActivationLoops activation_avx512vnni;
extern const ActivationLoops activation_avx2;
extern const ActivationLoops activation_neon;

}  // namespace halftone::cpu
