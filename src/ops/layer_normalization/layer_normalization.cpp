#include "ops/layer_normalization/layer_normalization.h"

#include "ops/normalization.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  require_f32_stash(site);
  const int first = normalized_axis(site);
  require_broadcasts_to_first(site, 1);
  if (site.has_input(2)) require_broadcasts_to_first(site, 2);
  Shape statistics = site.input_shape(0);
  for (int axis = first; axis < statistics.rank(); ++axis) statistics[axis] = 1;
  return {site.inputs[0].type, {DType::f32, statistics}, {DType::f32, statistics}};
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = 7 * static_cast<double>(site.outputs[0].shape.elements());
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const float epsilon = site.attributes->get_float("epsilon", 1e-5f);
  size_t count = 0;
  for_each_row(inputs[0].tensor, outputs[0], normalized_axis(site), [&](std::span<float> row) {
    const RowStatistics statistics = standardize(row, epsilon);
    if (outputs.size() > 1) outputs[1].span<float>()[count] = static_cast<float>(statistics.mean);
    if (outputs.size() > 2) outputs[2].span<float>()[count] = statistics.inverse_deviation;
    ++count;
  });
  scale_and_shift(inputs, outputs[0]);
}

}  // namespace

const OpSchema& layer_normalization_schema() {
  static const OpSchema schema = {
      .name = "LayerNormalization",
      .domain = "",
      .inputs = {{"X"}, {"Scale"}, {"B", true}},
      .outputs = {"Y", "Mean", "InvStdDev"},
      .optional_outputs = 2,
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
