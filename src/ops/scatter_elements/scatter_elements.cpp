#include "ops/scatter_elements/scatter_elements.h"

#include "ops/elementwise.h"
#include "ops/gather/gather.h"
#include "ops/indexing.h"
#include "ops/movement.h"
#include "ops/scatter.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const ValueType& data = site.inputs[0].type;
  const Shape& indices = site.input_shape(1);
  const Shape& updates = site.input_shape(2);
  require_scatter_types(site);
  require(site, data.shape.rank() == indices.rank() && indices.rank() == updates.rank() && indices.rank() > 0,
          "data {}, indices {} and updates {} differ in rank", data.shape.str(), indices.str(),
          updates.str());
  const int axis = axis_attribute(site, "axis", 0, data.shape.rank());
  for (int a = 0; a < indices.rank(); ++a) {
    require(site, sizes_may_agree(indices[a], updates[a]), "indices {} and updates {} differ", indices.str(),
            updates.str());
    require(site, a == axis || data.shape[a] < 0 || indices[a] <= data.shape[a],
            "indices {} reach beyond data {}", indices.str(), data.shape.str());
  }
  return {data};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  copy_reference(site, inputs, outputs);
  const Tensor updates = plain(inputs[2]);
  const Reduction reduction = reduction_of(site);
  const Shape& shape = outputs[0].shape;
  const int axis = axis_attribute(site, "axis", 0, shape.rank());
  Strides strides = row_major_strides(shape);
  const int64_t step = strides[static_cast<size_t>(axis)];
  strides[static_cast<size_t>(axis)] = 0;
  walk<1>(updates.shape(), {strides}, [&](int64_t i, const std::array<int64_t, 1>& at) {
    const int64_t index = gather_index(inputs[1], i, shape[axis]);
    if (index >= 0) scatter_element(reduction, outputs[0], at[0] + index * step, updates.view(), i);
  });
}

}  // namespace

const OpSchema& scatter_elements_schema() {
  static const OpSchema schema = {
      .name = "ScatterElements",
      .domain = "",
      .inputs = {{"data"}, {"indices"}, {"updates"}},
      .outputs = {"output"},
      .infer = infer,
      .cost = movement_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
