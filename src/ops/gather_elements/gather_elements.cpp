#include "ops/gather_elements/gather_elements.h"

#include "ops/elementwise.h"
#include "ops/gather/gather.h"
#include "ops/indexing.h"
#include "ops/movement.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const Shape& data = site.input_shape(0);
  const Shape& indices = site.input_shape(1);
  require_indices(site, 1);
  require(site, data.rank() == indices.rank() && data.rank() > 0, "data {} and indices {} differ in rank",
          data.str(), indices.str());
  const int axis = axis_attribute(site, "axis", 0, data.rank());
  for (int a = 0; a < data.rank(); ++a)
    require(site, a == axis || data[a] < 0 || indices[a] <= data[a], "indices {} reach beyond data {}",
            indices.str(), data.str());
  return {{site.inputs[0].type.dtype, indices}};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor data = plain(inputs[0]);
  const int axis = axis_attribute(site, "axis", 0, data.shape().rank());
  Strides strides = row_major_strides(data.shape());
  const int64_t step = strides[static_cast<size_t>(axis)];
  strides[static_cast<size_t>(axis)] = 0;
  const size_t size = dtype_bytes(data.dtype());
  walk<1>(outputs[0].shape, {strides}, [&](int64_t i, const std::array<int64_t, 1>& at) {
    const int64_t index = gather_index(inputs[1], i, data.shape()[axis]);
    if (index < 0)
      fill_missing(outputs[0], i, 1);
    else
      copy_element(outputs[0].data, i, data.view().data, at[0] + index * step, size);
  });
}

}  // namespace

const OpSchema& gather_elements_schema() {
  static const OpSchema schema = {
      .name = "GatherElements",
      .domain = "",
      .inputs = {{"data"}, {"indices"}},
      .outputs = {"output"},
      .infer = infer,
      .cost = movement_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
