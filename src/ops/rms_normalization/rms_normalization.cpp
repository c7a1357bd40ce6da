#include "ops/rms_normalization/rms_normalization.h"

#include "ops/elementwise.h"
#include "ops/movement.h"
#include "ops/normalization.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  require_f32_stash(site);
  normalized_axis(site);
  require_broadcasts_to_first(site, 1);
  return {site.inputs[0].type};
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = 4 * static_cast<double>(site.outputs[0].shape.elements());
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const float epsilon = site.attributes->get_float("epsilon", 1e-5f);
  for_each_row(inputs[0].tensor, outputs[0], normalized_axis(site), [&](std::span<float> row) {
    const float inverse = inverse_rms(row, epsilon);
    for (float& x : row) x *= inverse;
  });
  scale_and_shift(inputs, outputs[0]);
}

}  // namespace

float inverse_rms(std::span<const float> row, float epsilon) {
  double sum = 0;
  for (float x : row) sum += double{x} * x;
  return 1.0f / std::sqrt(static_cast<float>(sum / static_cast<double>(row.size())) + epsilon);
}

const OpSchema& rms_normalization_schema() {
  static const OpSchema schema = {
      .name = "RMSNormalization",
      .domain = "",
      .inputs = {{"X"}, {"scale"}},
      .outputs = {"Y"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
