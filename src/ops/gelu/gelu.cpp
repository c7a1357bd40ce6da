#include "ops/gelu/gelu.h"

#include "ops/activation.h"
#include "ops/elementwise.h"

namespace halftone {

const OpSchema& gelu_schema() {
  static const OpSchema schema = {
      .name = "Gelu",
      .domain = "",
      .inputs = {{"X"}},
      .outputs = {"Y"},
      .infer =
          [](const OpSite& site) {
            const std::string approximate = site.attributes->get_string("approximate", "none");
            require(site, approximate == "none" || approximate == "tanh",
                    "attribute approximate: expected \"none\" or \"tanh\", found \"{}\"", approximate);
            return infer_float_map(site);
          },
      .cost = elementwise_cost,
      .reference =
          [](const OpSite& site, std::span<const Operand> inputs,
             std::span<const MutableTensorView> outputs) {
            const bool exact = site.attributes->get_string("approximate", "none") == "none";
            map_floats(inputs, outputs, exact ? gelu : gelu_tanh);
          },
  };
  return schema;
}

}  // namespace halftone
