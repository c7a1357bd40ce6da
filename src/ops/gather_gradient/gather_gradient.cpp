#include "ops/gather_gradient/gather_gradient.h"

#include <algorithm>

#include "ops/elementwise.h"
#include "ops/gather/gather.h"
#include "ops/movement.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  require(site, site.inputs[0].type.dtype == DType::f32, "gradient: expected f32, found {}",
          dtype_name(site.inputs[0].type.dtype));
  OpSite forward = site;
  forward.schema = &gather_schema();
  forward.inputs = {site.inputs[2], site.inputs[1]};
  const Shape gathered = forward.schema->infer(forward).front().shape;
  require(site, site.input_shape(0) == gathered, "gradient: expected {}, found {}", gathered.str(),
          site.input_shape(0).str());
  return {{DType::f32, site.input_shape(2)}};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Shape& out = outputs[0].shape;
  const int axis = axis_attribute(site, "axis", 0, out.rank());
  const int64_t size = out[axis], count = inputs[1].tensor.shape.elements();
  int64_t outer = 1, inner = 1;
  for (int a = 0; a < axis; ++a) outer *= out[a];
  for (int a = axis + 1; a < out.rank(); ++a) inner *= out[a];
  const float* gradient = inputs[0].span<float>().data();
  float* to = outputs[0].span<float>().data();
  std::fill_n(to, out.elements(), 0.0f);
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < count; ++i) {
      const int64_t index = gather_index(inputs[1], i, size);
      if (index < 0) continue;
      const float* from = gradient + (o * count + i) * inner;
      float* sum = to + (o * size + index) * inner;
      for (int64_t j = 0; j < inner; ++j) sum[j] += from[j];
    }
}

}  // namespace

const OpSchema& gather_gradient_schema() {
  static const OpSchema schema = {
      .name = "GatherGradient",
      .domain = "halftone",
      .inputs = {{"gradient"}, {"indices"}, {"data"}},
      .outputs = {"dData"},
      .infer = infer,
      .cost = elementwise_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
