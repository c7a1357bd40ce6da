#include "ops/gelu/gelu.h"

#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/integer_functions.h"

namespace halftone {
namespace {

float gelu_polynomial(float x) {
  return 0.5f * x * (1 + erf_polynomial(x * 0.70710678118654752f));
}

}  // namespace

const OpSchema& gelu_schema() {
  static const OpSchema schema = {
      .name = "Gelu",
      .domain = "",
      .inputs = {{"X"}},
      .outputs = {"Y"},
      .infer =
          [](const OpSite& site) {
            const std::string approximate = site.attributes->get_string("approximate", "none");
            require(site, approximate == "none" || approximate == "tanh" || approximate == "polynomial",
                    "attribute approximate: expected \"none\", \"tanh\" or \"polynomial\", found \"{}\"",
                    approximate);
            return infer_float_map(site);
          },
      .cost = elementwise_cost,
      .reference =
          [](const OpSite& site, std::span<const Operand> inputs,
             std::span<const MutableTensorView> outputs) {
            const std::string approximate = site.attributes->get_string("approximate", "none");
            map_floats(inputs, outputs,
                       approximate == "none"   ? gelu
                       : approximate == "tanh" ? gelu_tanh
                                               : gelu_polynomial);
          },
  };
  return schema;
}

}  // namespace halftone
