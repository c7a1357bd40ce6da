#include "ops/comparison/comparison.h"
#include "ops/elementwise.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  for (const SiteInput& input : site.inputs)
    require(site, input.type.dtype == DType::boolean, "expected bool, found {}",
            dtype_name(input.type.dtype));
  if (site.inputs.size() == 1) return infer_same(site);
  return {{DType::boolean, broadcast_shapes(site, site.input_shape(0), site.input_shape(1))}};
}

template <class F>
OpSchema logic(std::string_view name, F) {
  return {.name = name,
          .domain = "",
          .inputs = {{"A"}, {"B"}},
          .outputs = {"C"},
          .infer = infer,
          .cost = elementwise_cost,
          .reference = [](const OpSite&, std::span<const Operand> inputs,
                          std::span<const MutableTensorView> outputs) {
            map_broadcast<bool, bool>(inputs, outputs[0], F{});
          }};
}

void not_reference(const OpSite&, std::span<const Operand> inputs,
                   std::span<const MutableTensorView> outputs) {
  const auto x = inputs[0].span<bool>();
  std::transform(x.begin(), x.end(), outputs[0].span<bool>().begin(), std::logical_not<>());
}

}  // namespace

std::span<const OpSchema> logic_schemas() {
  static const OpSchema schemas[] = {
      logic("And", [](bool a, bool b) { return a && b; }),
      logic("Or", [](bool a, bool b) { return a || b; }),
      logic("Xor", [](bool a, bool b) { return a != b; }),
      {.name = "Not",
       .domain = "",
       .inputs = {{"X"}},
       .outputs = {"Y"},
       .infer = infer,
       .cost = elementwise_cost,
       .reference = not_reference},
  };
  return schemas;
}

}  // namespace halftone
