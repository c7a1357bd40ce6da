#include "ops/gather_gradient/gather_gradient.h"

#include <algorithm>

#include "ops/elementwise.h"
#include "ops/gather/gather.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const ValueType& gradient = site.inputs[0].type;
  const ValueType& indices = site.inputs[1].type;
  require(site, gradient.dtype == DType::f32, "gradient: expected f32, found {}", dtype_name(gradient.dtype));
  require(site, indices.dtype == DType::i64 || indices.dtype == DType::i32,
          "indices: expected i64 or i32, found {}", dtype_name(indices.dtype));
  const int axis = static_cast<int>(site.attributes->get_int("axis", 0));
  const int64_t size = site.attributes->get_int("size", -1);
  require(site, size >= 0, "attribute size: found {}", size);
  const int named = indices.shape.rank();
  require(site, axis >= 0 && axis + named <= gradient.shape.rank(), "axis {}: gradient {}, indices {}", axis,
          gradient.shape.str(), indices.shape.str());
  Shape out;
  for (int a = 0; a < axis; ++a) out.push_back(gradient.shape[a]);
  out.push_back(size);
  for (int a = axis + named; a < gradient.shape.rank(); ++a) out.push_back(gradient.shape[a]);
  return {{DType::f32, out}};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const int axis = static_cast<int>(site.attributes->get_int("axis", 0));
  const Shape& out = outputs[0].shape;
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
      .inputs = {{"gradient"}, {"indices"}},
      .outputs = {"dData"},
      .infer = infer,
      .cost = elementwise_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
