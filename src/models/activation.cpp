#include "models/activation.h"

#include "base/error.h"

namespace halftone {
namespace {

struct Activation {
  std::string_view name;  ///< in the configuration
  std::string_view op;
  std::string_view approximate;  ///< Gelu's attribute
  float alpha = 1;               ///< Swish's
};
constexpr Activation kActivations[] = {
    {"silu", "Swish", ""},    {"swish", "Swish", ""},       {"quick_gelu", "Swish", "", 1.702f},
    {"gelu", "Gelu", "none"}, {"gelu_new", "Gelu", "tanh"}, {"gelu_pytorch_tanh", "Gelu", "tanh"}};

}  // namespace

NamedActivation activation_named(const std::string& name, const std::string& source) {
  for (const Activation& known : kActivations) {
    if (known.name != name) continue;
    Attributes attributes;
    if (!known.approximate.empty()) attributes.set("approximate", std::string(known.approximate));
    if (known.alpha != 1) attributes.set("alpha", known.alpha);
    return {find_op(known.op), std::move(attributes)};
  }
  throw UnsupportedError("{}: activation \"{}\" (known: silu, quick_gelu, gelu, gelu_new, gelu_pytorch_tanh)",
                         source, name);
}

}  // namespace halftone
