#include "ops/p_relu/p_relu.h"

#include "ops/elementwise.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  infer_arithmetic(site);
  require(site, broadcasts_to(site.input_shape(1), site.input_shape(0)), "slope {} is wider than X {}",
          site.input_shape(1).str(), site.input_shape(0).str());
  return {site.inputs[0].type};
}

void reference(const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
  map_pairs(inputs, outputs, [](auto x, auto slope) {
    return x < decltype(x){0} ? wrapping(x, slope, [](auto a, auto b) { return a * b; }) : x;
  });
}

}  // namespace

const OpSchema& p_relu_schema() {
  static const OpSchema schema = {
      .name = "PRelu",
      .domain = "",
      .inputs = {{"X"}, {"slope"}},
      .outputs = {"Y"},
      .infer = infer,
      .cost = elementwise_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
