#include "ops/fused_activation.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "ops/activation.h"

namespace halftone {
namespace {

using Kind = FusedActivation::Kind;

struct Named {
  std::string_view name;
  Kind kind;
};

constexpr std::array kNames = {
    Named{"relu", Kind::relu},
    Named{"clip", Kind::clip},
    Named{"leaky_relu", Kind::leaky_relu},
    Named{"sigmoid", Kind::sigmoid},
    Named{"silu", Kind::silu},
    Named{"hard_sigmoid", Kind::hard_sigmoid},
    Named{"hard_swish", Kind::hard_swish},
    Named{"tanh", Kind::tanh},
    Named{"gelu", Kind::gelu},
    Named{"gelu_tanh", Kind::gelu_tanh},
};

bool has_parameters(Kind kind) {
  return kind == Kind::clip || kind == Kind::leaky_relu || kind == Kind::hard_sigmoid;
}

}  // namespace

FusedActivation fused_activation(const OpSite& site) {
  if (!site.attributes->has("activation")) return {};
  const std::string name = site.attributes->get_string("activation", "");
  const auto found =
      std::find_if(kNames.begin(), kNames.end(), [&](const Named& n) { return n.name == name; });
  require(site, found != kNames.end(), "attribute activation: \"{}\" is none that is known", name);
  return {found->kind, site.attributes->get_float("activation_a", 0),
          site.attributes->get_float("activation_b", 0)};
}

void set_fused_activation(Attributes& attributes, const FusedActivation& activation) {
  for (const Named& named : kNames)
    if (named.kind == activation.kind) attributes.set("activation", std::string(named.name));
  if (!has_parameters(activation.kind)) return;
  attributes.set("activation_a", activation.a);
  attributes.set("activation_b", activation.b);
}

float apply_activation(const FusedActivation& activation, float x) {
  const float a = activation.a, b = activation.b;
  switch (activation.kind) {
    case Kind::none:
      return x;
    case Kind::relu:
      return std::max(x, 0.0f);
    case Kind::clip:
      return std::min(std::max(x, a), b);
    case Kind::leaky_relu:
      return x < 0 ? a * x : x;
    case Kind::sigmoid:
      return 1.0f / (1.0f + std::exp(-x));
    case Kind::silu:
      return silu(x);
    case Kind::hard_sigmoid:
      return std::min(std::max(a * x + b, 0.0f), 1.0f);
    case Kind::hard_swish:
      return x * std::min(std::max(x / 6.0f + 0.5f, 0.0f), 1.0f);
    case Kind::tanh:
      return std::tanh(x);
    case Kind::gelu:
      return gelu(x);
    case Kind::gelu_tanh:
      return gelu_tanh(x);
  }
  return x;
}

}  // namespace halftone
