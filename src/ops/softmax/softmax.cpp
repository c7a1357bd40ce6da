#include "ops/softmax/softmax.h"

#include <cmath>

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  axis_attribute(site, "axis", -1, site.input_shape(0).rank());
  return infer_float_map(site);
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = 4 * static_cast<double>(site.outputs[0].shape.elements());
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const TensorView& x = inputs[0].tensor;
  const int axis = axis_attribute(site, "axis", -1, x.shape.rank());
  const int64_t size = x.shape[axis];
  int64_t inner = 1;
  for (int a = axis + 1; a < x.shape.rank(); ++a) inner *= x.shape[a];

  std::vector<double> line(static_cast<size_t>(size));
  float value;
  for (int64_t start = 0, count = x.shape.elements(); start < count; start += size * inner)
    for (int64_t column = 0; column < inner; ++column) {
      double highest = -HUGE_VAL;
      for (size_t i = 0; i < line.size(); ++i) {
        load_floats(x, start + static_cast<int64_t>(i) * inner + column, {&value, 1});
        line[i] = value;
        highest = std::max(highest, line[i]);
      }
      double sum = 0;
      for (double& element : line) sum += element = std::exp(element - highest);
      for (size_t i = 0; i < line.size(); ++i) {
        value = static_cast<float>(line[i] / sum);
        store_floats({&value, 1}, outputs[0], start + static_cast<int64_t>(i) * inner + column);
      }
    }
}

}  // namespace

const OpSchema& softmax_schema() {
  static const OpSchema schema = {
      .name = "Softmax",
      .domain = "",
      .inputs = {{"input"}},
      .outputs = {"output"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
