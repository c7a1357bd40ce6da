#include "ops/erf/erf.h"

#include "ops/elementwise.h"

namespace halftone {

const OpSchema& erf_schema() {
  static const OpSchema schema = {
      .name = "Erf",
      .domain = "",
      .inputs = {{"input"}},
      .outputs = {"output"},
      .infer = infer_float_map,
      .cost = elementwise_cost,
      .reference =
          [](const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
            map_floats(inputs, outputs, [](float x) { return std::erf(x); });
          },
  };
  return schema;
}

}  // namespace halftone
