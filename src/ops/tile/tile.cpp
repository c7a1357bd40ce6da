#include "ops/tile/tile.h"

#include "base/checked.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/movement.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  ValueType out = site.inputs[0].type;
  const auto repeats = known_ints(site, 1);
  if (!repeats) return {{out.dtype, unknown_shape(out.shape.rank())}};
  require(site, static_cast<int>(repeats->size()) == out.shape.rank(),
          "repeats has {} entries, the input {} dimensions", repeats->size(), out.shape.rank());
  for (int axis = 0; axis < out.shape.rank(); ++axis) {
    const int64_t times = (*repeats)[static_cast<size_t>(axis)];
    int64_t& dim = out.shape[axis];
    require(site, times >= 0, "repeats: found {}", times);
    if (dim < 0) {
      if (times != 1) dim = Shape::kUnknownDim;
      continue;
    }
    const auto size = checked_mul(dim, times);
    require(site, size.has_value(), "repeats: {} times {} overflows", times, dim);
    dim = *size;
  }
  return {out};
}

void reference(const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
  const Tensor from = plain(inputs[0]);
  const Strides strides = row_major_strides(from.shape());
  const size_t size = dtype_bytes(from.dtype());
  for_each_index(outputs[0].shape, [&](int64_t i, const Index& index) {
    int64_t at = 0;
    for (int axis = 0; axis < from.shape().rank(); ++axis) {
      const auto a = static_cast<size_t>(axis);
      at += index[a] % from.shape()[axis] * strides[a];
    }
    copy_element(outputs[0].data, i, from.view().data, at, size);
  });
}

}  // namespace

const OpSchema& tile_schema() {
  static const OpSchema schema = {
      .name = "Tile",
      .domain = "",
      .inputs = {{"input"}, {"repeats"}},
      .outputs = {"output"},
      .infer = infer,
      .cost = movement_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
