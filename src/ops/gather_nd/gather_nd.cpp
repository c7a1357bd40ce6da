#include "ops/gather_nd/gather_nd.h"

#include <cstring>

#include "ops/elementwise.h"
#include "ops/gather/gather.h"
#include "ops/indexing.h"
#include "ops/movement.h"

namespace halftone {
namespace {

int batch_dims(const OpSite& site) {
  const int64_t batch = site.attributes->get_int("batch_dims", 0);
  require(site, batch >= 0 && batch < site.input_shape(1).rank() && batch <= site.input_shape(0).rank(),
          "attribute batch_dims: found {}", batch);
  return static_cast<int>(batch);
}

std::vector<ValueType> infer(const OpSite& site) {
  const Shape& data = site.input_shape(0);
  const Shape& indices = site.input_shape(1);
  require_indices(site, 1);
  require(site, indices.rank() > 0 && indices.back() != 0, "indices: expected coordinates, found {}",
          indices.str());
  const int batch = batch_dims(site);
  if (indices.back() < 0)
    throw UnsupportedError("{} (GatherND): how many coordinates indices {} hold is not known ahead",
                           site.name, indices.str());
  require(site, indices.back() + batch <= data.rank(), "indices {} hold more coordinates than data {} has",
          indices.str(), data.str());
  Shape out;
  for (int axis = 0; axis + 1 < indices.rank(); ++axis) {
    require(site, axis >= batch || sizes_may_agree(indices[axis], data[axis]),
            "data {} and indices {} differ along axis {}", data.str(), indices.str(), axis);
    out.push_back(indices[axis]);
  }
  for (int axis = batch + static_cast<int>(indices.back()); axis < data.rank(); ++axis)
    out.push_back(data[axis]);
  return {{site.inputs[0].type.dtype, out}};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor data = plain(inputs[0]);
  const Shape& indices = site.input_shape(1);
  const int batch = batch_dims(site);
  const Strides strides = row_major_strides(data.shape());
  const int64_t depth = indices.back();
  const int64_t slices = indices.elements() / depth;
  int64_t per_batch = 1;
  for (int axis = batch; axis + 1 < indices.rank(); ++axis) per_batch *= indices[axis];
  const int64_t batch_stride = batch == 0 ? 0 : strides[static_cast<size_t>(batch - 1)];
  const int last = batch + static_cast<int>(depth) - 1;
  const int64_t slice = strides[static_cast<size_t>(last)];
  const size_t size = dtype_bytes(data.dtype());
  for (int64_t s = 0; s < slices; ++s) {
    int64_t at = s / per_batch * batch_stride;
    bool inside = true;
    for (int64_t d = 0; d < depth && inside; ++d) {
      const int axis = batch + static_cast<int>(d);
      const int64_t index = gather_index(inputs[1], s * depth + d, data.shape()[axis]);
      inside = index >= 0;
      at += index * strides[static_cast<size_t>(axis)];
    }
    if (!inside)
      fill_missing(outputs[0], s * slice, slice);
    else
      std::memcpy(outputs[0].data + static_cast<size_t>(s * slice) * size,
                  data.view().data + static_cast<size_t>(at) * size, static_cast<size_t>(slice) * size);
  }
}

}  // namespace

const OpSchema& gather_nd_schema() {
  static const OpSchema schema = {
      .name = "GatherND",
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
