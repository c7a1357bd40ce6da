#include "ops/sqrt/sqrt.h"

#include "ops/elementwise.h"

namespace halftone {

const OpSchema& sqrt_schema() {
  static const OpSchema schema = {
      .name = "Sqrt",
      .domain = "",
      .inputs = {{"X"}},
      .outputs = {"Y"},
      .infer = infer_float_map,
      .cost = elementwise_cost,
      .reference =
          [](const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
            map_floats(inputs, outputs, [](float x) { return std::sqrt(x); });
          },
  };
  return schema;
}

}  // namespace halftone
