#include "ops/gated_activation/gated_activation.h"

#include "ops/activation.h"
#include "ops/elementwise.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const ValueType& gate = site.inputs[0].type;
  const ValueType& up = site.inputs[1].type;
  require(site, gate == up && is_float(gate.dtype),
          "gate is {} {}, up is {} {}: expected one floating type and shape", dtype_name(gate.dtype),
          gate.shape.str(), dtype_name(up.dtype), up.shape.str());
  gate_kind(site);
  return {gate};
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = 2 * static_cast<double>(site.outputs[0].shape.elements());
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const GateKind kind = gate_kind(site);
  const auto activation = kind == GateKind::silu ? silu : kind == GateKind::gelu ? gelu : gelu_tanh;
  float gate, up;
  for (int64_t i = 0, count = outputs[0].shape.elements(); i < count; ++i) {
    load_floats(inputs[0].tensor, i, {&gate, 1});
    load_floats(inputs[1].tensor, i, {&up, 1});
    const float y = activation(gate) * up;
    store_floats({&y, 1}, outputs[0], i);
  }
}

}  // namespace

GateKind gate_kind(const OpSite& site) {
  const std::string name = site.attributes->get_string("activation", "silu");
  require(site, name == "silu" || name == "gelu" || name == "gelu_tanh",
          "attribute activation: expected \"silu\", \"gelu\" or \"gelu_tanh\", found \"{}\"", name);
  return name == "silu" ? GateKind::silu : name == "gelu" ? GateKind::gelu : GateKind::gelu_tanh;
}

const OpSchema& gated_activation_schema() {
  static const OpSchema schema = {
      .name = "GatedActivation",
      .domain = "halftone",
      .inputs = {{"gate"}, {"up"}},
      .outputs = {"Y"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
