#include "ops/normalization_gradient/normalization_gradient.h"

#include "ops/elementwise.h"
#include "ops/movement.h"
#include "ops/normalization.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  normalized_axis(site);
  require(site, site.inputs[0].type == site.inputs[1].type, "gradient is {} {}, X is {} {}",
          dtype_name(site.inputs[0].type.dtype), site.input_shape(0).str(),
          dtype_name(site.inputs[1].type.dtype), site.input_shape(1).str());
  return {site.inputs[1].type};
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = 8 * static_cast<double>(site.outputs[0].shape.elements());
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const float epsilon = site.attributes->get_float("epsilon", 1e-5f);
  const bool centered = site.attributes->get_int("centered", 0) != 0;
  std::vector<float> x;
  int64_t begin = 0;
  for_each_row(inputs[0].tensor, outputs[0], normalized_axis(site), [&](std::span<float> row) {
    x.resize(row.size());
    load_floats(inputs[1].tensor, begin, x);
    begin += static_cast<int64_t>(row.size());
    normalization_gradient_row(row, x, epsilon, centered, row);
  });
}

}  // namespace

void normalization_gradient_row(std::span<const float> gradient, std::span<const float> x, float epsilon,
                                bool centered, std::span<float> dx) {
  const double count = static_cast<double>(x.size());
  double sum = 0, squares = 0;
  for (float value : x) sum += value;
  const double mean = centered ? sum / count : 0;
  for (float value : x) squares += (value - mean) * (value - mean);
  const double r = 1 / std::sqrt(squares / count + epsilon);
  double total = 0, along = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    total += gradient[i];
    along += gradient[i] * (x[i] - mean) * r;
  }
  const double shift = centered ? total / count : 0;
  along /= count;
  for (size_t i = 0; i < x.size(); ++i)
    dx[i] = static_cast<float>(r * (gradient[i] - shift - (x[i] - mean) * r * along));
}

const OpSchema& normalization_gradient_schema() {
  static const OpSchema schema = {
      .name = "NormalizationGradient",
      .domain = "halftone",
      .inputs = {{"gradient"}, {"X"}},
      .outputs = {"dX"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
