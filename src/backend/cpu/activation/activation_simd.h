#pragma once

#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/simd_math.h"

namespace halftone::cpu {
namespace {

template <class F>
void map(F f, const float* x, const float* up, float* y, int64_t count) {
  constexpr int kWidth = Simd::kWidth;
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) {
    const Float value = f(Simd::load(x + i));
    Simd::store(y + i, up ? Simd::mul(value, Simd::load(up + i)) : value);
  }
  if (i == count) return;
  const Float value = f(Simd::load_part(x + i, count - i));
  Simd::store_part(y + i, up ? Simd::mul(value, Simd::load_part(up + i, count - i)) : value, count - i);
}

void apply(Activation f, float alpha, float beta, const float* x, const float* up, float* y, int64_t count) {
  switch (f) {
    case Activation::sigmoid:
      return map([](Float v) { return sigmoid(v); }, x, up, y, count);
    case Activation::tanh:
      return map([](Float v) { return tanh(v); }, x, up, y, count);
    case Activation::swish: {
      if (alpha == 1) return map([](Float v) { return silu(v); }, x, up, y, count);
      const Float a = Simd::broadcast(alpha);
      return map([a](Float v) { return Simd::mul(v, sigmoid(Simd::mul(a, v))); }, x, up, y, count);
    }
    case Activation::gelu:
      return map([](Float v) { return gelu(v); }, x, up, y, count);
    case Activation::gelu_tanh:  // 0.5 (1 + tanh(u)) = sigmoid(2u)
      return map(
          [](Float v) {
            const Float square = Simd::mul(v, v);
            const Float u =
                Simd::fma(Simd::broadcast(0.044715f * 1.59576912f), square, Simd::broadcast(1.59576912f));
            return Simd::mul(v, sigmoid(Simd::mul(v, u)));
          },
          x, up, y, count);
    case Activation::leaky_relu: {
      const Float slope = Simd::broadcast(alpha);
      return map([slope](Float v) { return Simd::where_less(v, Simd::zero(), Simd::mul(v, slope), v); }, x,
                 up, y, count);
    }
    case Activation::hard_sigmoid: {
      const Float a = Simd::broadcast(alpha), b = Simd::broadcast(beta);
      return map([a, b](Float v) { return saturate(Simd::fma(a, v, b)); }, x, up, y, count);
    }
    case Activation::hard_swish:
      return map([](Float v) { return hard_swish(v); }, x, up, y, count);
  }
}

constexpr ActivationLoops kActivationLoops{apply};

}  // namespace
}  // namespace halftone::cpu
