#include "ops/tanh/tanh.h"

#include "ops/elementwise.h"

namespace halftone {

const OpSchema& tanh_schema() {
  static const OpSchema schema = {
      .name = "Tanh",
      .domain = "",
      .inputs = {{"input"}},
      .outputs = {"output"},
      .infer = infer_float_map,
      .cost = elementwise_cost,
      .reference =
          [](const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
            map_floats(inputs, outputs, [](float x) { return std::tanh(x); });
          },
  };
  return schema;
}

}  // namespace halftone
