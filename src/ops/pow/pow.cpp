#include "ops/pow/pow.h"

#include "ops/elementwise.h"

namespace halftone {

const OpSchema& pow_schema() {
  static const OpSchema schema = {
      .name = "Pow",
      .domain = "",
      .inputs = {{"X"}, {"Y"}},
      .outputs = {"Z"},
      .infer =
          [](const OpSite& site) {
            require(site, is_float(site.inputs[0].type.dtype), "expected floating-point inputs, found {}",
                    dtype_name(site.inputs[0].type.dtype));
            return infer_arithmetic(site);
          },
      .cost = elementwise_cost,
      .reference =
          [](const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
            map_pairs(inputs, outputs, [](auto x, auto y) { return std::pow(x, y); });
          },
  };
  return schema;
}

}  // namespace halftone
