#include "ops/swish/swish.h"

#include "ops/elementwise.h"

namespace halftone {

const OpSchema& swish_schema() {
  static const OpSchema schema = {
      .name = "Swish",
      .domain = "",
      .inputs = {{"X"}},
      .outputs = {"Y"},
      .infer = infer_float_map,
      .cost = elementwise_cost,
      .reference =
          [](const OpSite& site, std::span<const Operand> inputs,
             std::span<const MutableTensorView> outputs) {
            const float alpha = site.attributes->get_float("alpha", 1.0f);
            map_floats(inputs, outputs, [alpha](float x) { return x / (1.0f + std::exp(-alpha * x)); });
          },
  };
  return schema;
}

}  // namespace halftone
