#include "ops/comparison/comparison.h"

#include "ops/elementwise.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const DType a = site.inputs[0].type.dtype;
  const DType b = site.inputs[1].type.dtype;
  require(site, a == b, "inputs have different types, {} and {}", dtype_name(a), dtype_name(b));
  if (a != DType::boolean || site.schema->name != "Equal") require_number(site, 0);
  return {{DType::boolean, broadcast_shapes(site, site.input_shape(0), site.input_shape(1))}};
}

template <class F>
OpSchema comparison(std::string_view name, F) {
  return {.name = name,
          .domain = "",
          .inputs = {{"A"}, {"B"}},
          .outputs = {"C"},
          .infer = infer,
          .cost = elementwise_cost,
          .reference = [](const OpSite&, std::span<const Operand> inputs,
                          std::span<const MutableTensorView> outputs) {
            visit_element(plain(inputs[0]).dtype(),
                          [&](auto zero) { map_broadcast<decltype(zero), bool>(inputs, outputs[0], F{}); });
          }};
}

}  // namespace

std::span<const OpSchema> comparison_schemas() {
  static const OpSchema schemas[] = {
      comparison("Equal", [](auto a, auto b) { return a == b; }),
      comparison("Greater", [](auto a, auto b) { return a > b; }),
      comparison("GreaterOrEqual", [](auto a, auto b) { return a >= b; }),
      comparison("Less", [](auto a, auto b) { return a < b; }),
      comparison("LessOrEqual", [](auto a, auto b) { return a <= b; }),
  };
  return schemas;
}

}  // namespace halftone
