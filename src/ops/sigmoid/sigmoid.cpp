#include "ops/sigmoid/sigmoid.h"

#include "ops/elementwise.h"

namespace halftone {

const OpSchema& sigmoid_schema() {
  static const OpSchema schema = {
      .name = "Sigmoid",
      .domain = "",
      .inputs = {{"X"}},
      .outputs = {"Y"},
      .infer = infer_float_map,
      .cost = elementwise_cost,
      .reference =
          [](const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
            map_floats(inputs, outputs, [](float x) { return 1.0f / (1.0f + std::exp(-x)); });
          },
  };
  return schema;
}

}  // namespace halftone
