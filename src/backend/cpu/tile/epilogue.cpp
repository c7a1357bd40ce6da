#include "backend/cpu/tile/epilogue.h"

#include <limits>

namespace halftone::cpu {

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

}  // namespace halftone::cpu
