#include "ops/softmax_gradient/softmax_gradient.h"

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  axis_attribute(site, "axis", -1, site.input_shape(0).rank());
  require(site, site.inputs[0].type == site.inputs[1].type, "gradient is {}, Y is {}",
          site.input_shape(0).str(), site.input_shape(1).str());
  return infer_float_map(site);
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = 4 * static_cast<double>(site.outputs[0].shape.elements());
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Shape& shape = outputs[0].shape;
  const int axis = axis_attribute(site, "axis", -1, shape.rank());
  int64_t inner = 1;
  for (int a = axis + 1; a < shape.rank(); ++a) inner *= shape[a];
  const int64_t size = shape[axis];
  auto load = [&](size_t input, int64_t i) {
    float value;
    load_floats(inputs[input].tensor, i, {&value, 1});
    return double{value};
  };
  for (int64_t start = 0, count = shape.elements(); start < count; start += size * inner)
    for (int64_t column = start; column < start + inner; ++column) {
      double sum = 0;
      for (int64_t i = 0; i < size; ++i) sum += load(0, column + i * inner) * load(1, column + i * inner);
      for (int64_t i = 0; i < size; ++i) {
        const int64_t at = column + i * inner;
        const float value = static_cast<float>(load(1, at) * (load(0, at) - sum));
        store_floats({&value, 1}, outputs[0], at);
      }
    }
}

}  // namespace

const OpSchema& softmax_gradient_schema() {
  static const OpSchema schema = {
      .name = "SoftmaxGradient",
      .domain = "halftone",
      .inputs = {{"gradient"}, {"Y"}},
      .outputs = {"dX"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
