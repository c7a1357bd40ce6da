#include "ops/layer_normalization/layer_normalization.h"

#include <cmath>

#include "ops/normalization.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  require(site, site.attributes->get_int("stash_type", 1) == 1,
          "attribute stash_type: only 1 (f32) is handled");
  normalized_axis(site);
  require_broadcasts_to_first(site, 1);
  if (site.has_input(2)) require_broadcasts_to_first(site, 2);
  return {site.inputs[0].type};
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = 7 * static_cast<double>(site.outputs[0].shape.elements());
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const float epsilon = site.attributes->get_float("epsilon", 1e-5f);
  for_each_row(inputs[0].tensor, outputs[0], normalized_axis(site), [&](std::span<float> row) {
    double sum = 0;
    for (float x : row) sum += x;
    const double mean = sum / static_cast<double>(row.size());
    double squares = 0;
    for (float x : row) squares += (x - mean) * (x - mean);
    const double variance = squares / static_cast<double>(row.size());
    const float inverse = 1.0f / std::sqrt(static_cast<float>(variance) + epsilon);
    for (float& x : row) x = static_cast<float>(x - mean) * inverse;
  });
  scale_and_shift(inputs, outputs[0]);
}

}  // namespace

const OpSchema& layer_normalization_schema() {
  static const OpSchema schema = {
      .name = "LayerNormalization",
      .domain = "",
      .inputs = {{"X"}, {"Scale"}, {"B", true}},
      .outputs = {"Y"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
