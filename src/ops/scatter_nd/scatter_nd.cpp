#include "ops/scatter_nd/scatter_nd.h"

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
  require(site, indices.rank() > 0 && indices.back() <= data.shape.rank() && indices.back() != 0,
          "indices {} do not hold coordinates of data {}", indices.str(), data.shape.str());
  if (indices.back() > 0) {
    Shape slices;
    for (int axis = 0; axis + 1 < indices.rank(); ++axis) slices.push_back(indices[axis]);
    for (int axis = static_cast<int>(indices.back()); axis < data.shape.rank(); ++axis)
      slices.push_back(data.shape[axis]);
    bool agree = slices.rank() == updates.rank();
    for (int axis = 0; agree && axis < slices.rank(); ++axis)
      agree = sizes_may_agree(slices[axis], updates[axis]);
    require(site, agree, "updates {}: expected {}", updates.str(), slices.str());
  }
  return {data};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  copy_reference(site, inputs, outputs);
  const Tensor updates = plain(inputs[2]);
  const Reduction reduction = reduction_of(site);
  const Shape& shape = outputs[0].shape;
  const int64_t depth = site.input_shape(1).back();
  const Strides strides = row_major_strides(shape);
  const int64_t slice = strides[static_cast<size_t>(depth - 1)];
  for (int64_t s = 0, count = site.input_shape(1).elements() / depth; s < count; ++s) {
    int64_t at = 0;
    bool inside = true;
    for (int64_t d = 0; d < depth && inside; ++d) {
      const int64_t index = gather_index(inputs[1], s * depth + d, shape[static_cast<int>(d)]);
      inside = index >= 0;
      at += index * strides[static_cast<size_t>(d)];
    }
    for (int64_t i = 0; inside && i < slice; ++i)
      scatter_element(reduction, outputs[0], at + i, updates.view(), s * slice + i);
  }
}

}  // namespace

const OpSchema& scatter_nd_schema() {
  static const OpSchema schema = {
      .name = "ScatterND",
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
