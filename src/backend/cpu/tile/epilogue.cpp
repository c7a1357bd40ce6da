#include "backend/cpu/tile/epilogue.h"

#include <algorithm>
#include <limits>

#include "backend/cpu/float_site.h"

namespace halftone::cpu {
namespace {

bool is_bounded(const Epilogue& epilogue) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  return epilogue.low > -kInfinity || epilogue.high < kInfinity;
}

}  // namespace

Epilogue make_epilogue(const FusedActivation& activation) {
  using Kind = FusedActivation::Kind;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  auto mapped = [&](Activation map, float a = 1, float b = 0) {
    return Epilogue{-kInfinity, kInfinity, true, map, a, b};
  };
  switch (activation.kind) {
    case Kind::none:
      return {-kInfinity, kInfinity};
    case Kind::relu:
      return {0, kInfinity};
    case Kind::clip:
      return {activation.a, activation.b};
    case Kind::leaky_relu:
      return mapped(Activation::leaky_relu, activation.a);
    case Kind::sigmoid:
      return mapped(Activation::sigmoid);
    case Kind::silu:
      return mapped(Activation::swish);
    case Kind::hard_sigmoid:
      return mapped(Activation::hard_sigmoid, activation.a, activation.b);
    case Kind::hard_swish:
      return mapped(Activation::hard_swish);
    case Kind::tanh:
      return mapped(Activation::tanh);
    case Kind::gelu:
      return mapped(Activation::gelu);
    case Kind::gelu_tanh:
      return mapped(Activation::gelu_tanh);
  }
  return {-kInfinity, kInfinity};
}

void apply_all(const Epilogue& epilogue, const ActivationLoops& loops, float* y, int64_t count) {
  if (is_bounded(epilogue))
    for (int64_t i = 0; i < count; ++i) y[i] = std::min(std::max(y[i], epilogue.low), epilogue.high);
  epilogue.apply(loops, y, count);
}

void finish_rows(ThreadPool& threads, const Epilogue& epilogue, const ActivationLoops& loops, float* y,
                 int64_t rows, int64_t width) {
  if (!is_bounded(epilogue) && !epilogue.has_map) return;
  threads.parallel_for(rows, row_grain(width), [&](int64_t begin, int64_t end) {
    apply_all(epilogue, loops, y + begin * width, (end - begin) * width);
  });
}

}  // namespace halftone::cpu
