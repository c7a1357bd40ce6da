#include "ops/squeeze/squeeze.h"

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const Shape& shape = site.input_shape(0);
  std::vector<bool> gone(static_cast<size_t>(shape.rank()));
  const auto axes = known_ints(site, 1);
  if (site.has_input(1) && !axes) {
    const int rank = shape.rank() - known_length(site, 1);
    require(site, rank >= 0, "axes has more entries than {} has dimensions", shape.str());
    return {{site.inputs[0].type.dtype, unknown_shape(rank)}};
  }
  if (axes) {
    for (int64_t given : *axes) {
      const int axis = checked_axis(site, given, shape.rank());
      require(site, sizes_may_agree(shape[axis], 1), "axis {} of {} is not of size 1", axis, shape.str());
      gone[static_cast<size_t>(axis)] = true;
    }
  } else {
    for (int axis = 0; axis < shape.rank(); ++axis) gone[static_cast<size_t>(axis)] = shape[axis] == 1;
  }
  Shape out;
  for (int axis = 0; axis < shape.rank(); ++axis)
    if (!gone[static_cast<size_t>(axis)]) out.push_back(shape[axis]);
  return {{site.inputs[0].type.dtype, out}};
}

}  // namespace

const OpSchema& squeeze_schema() {
  static const OpSchema schema = {
      .name = "Squeeze",
      .domain = "",
      .inputs = {{"data"}, {"axes", true}},
      .outputs = {"squeezed"},
      .infer = infer,
      .cost = movement_cost,
      .reference = copy_reference,
      .alias = true,
  };
  return schema;
}

}  // namespace halftone
