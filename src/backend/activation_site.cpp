#include "backend/activation_site.h"

#include "backend/float_site.h"
#include "ops/gated_activation/gated_activation.h"

namespace halftone {
namespace {

Activation activation_of(const OpSite& site) {
  const std::string_view op = site.schema->name;
  if (op == "Sigmoid") return Activation::sigmoid;
  if (op == "Tanh") return Activation::tanh;
  if (op == "Swish") return Activation::swish;
  if (op == "LeakyRelu") return Activation::leaky_relu;
  if (op == "HardSigmoid") return Activation::hard_sigmoid;
  if (op == "HardSwish") return Activation::hard_swish;
  if (op == "Gelu")
    return site.attributes->get_string("approximate", "none") == "none" ? Activation::gelu
                                                                        : Activation::gelu_tanh;
  switch (gate_kind(site)) {
    case GateKind::silu:
      return Activation::swish;
    case GateKind::gelu:
      return Activation::gelu;
    default:
      return Activation::gelu_tanh;
  }
}

/// The attribute alpha, under ONNX's default of the operator.
float alpha_of(const OpSite& site) {
  const std::string_view op = site.schema->name;
  return site.attributes->get_float("alpha", op == "LeakyRelu" ? 0.01f : op == "HardSigmoid" ? 0.2f : 1.0f);
}

}  // namespace

ActivationMap activation_map(const OpSite& site) {
  return {activation_of(site), alpha_of(site), site.attributes->get_float("beta", 0.5f)};
}

Refusal activation_form_refusal(const OpSite& site) {
  if (Refusal refusal = mixed_order_refusal(site); !refusal.empty()) return refusal;
  if (site.attributes->get_string("approximate", "none") == "polynomial") return "Gelu by a polynomial";
  if (site.attributes->has("gate_scale")) return "the gate is rounded";
  return {};
}

Refusal activation_refusal(const OpSite& site) {
  if (Refusal refusal = activation_form_refusal(site); !refusal.empty()) return refusal;
  return not_all_f32(site, site.inputs.size());
}

}  // namespace halftone
