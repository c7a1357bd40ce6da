#include "ops/mul/mul.h"

#include "ops/elementwise.h"

namespace halftone {

const OpSchema& mul_schema() {
  static const OpSchema schema = {
      .name = "Mul",
      .domain = "",
      .inputs = {{"A"}, {"B"}},
      .outputs = {"C"},
      .infer = infer_arithmetic,
      .cost = elementwise_cost,
      .reference =
          [](const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
            map_pairs(inputs, outputs,
                      [](auto a, auto b) { return wrapping(a, b, [](auto x, auto y) { return x * y; }); });
          },
  };
  return schema;
}

}  // namespace halftone
