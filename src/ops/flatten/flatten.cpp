#include "ops/flatten/flatten.h"

#include "base/checked.h"
#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

/// Product of the dimensions [begin, end): a size, one symbol times 1, or unknown.
int64_t product(const OpSite& site, int begin, int end) {
  const Shape& shape = site.input_shape(0);
  int64_t result = 1;
  for (int axis = begin; axis < end; ++axis) {
    const int64_t dim = shape[axis];
    if (dim == 1) continue;
    if (result == 1 || dim == 0) {
      result = dim;
    } else if (result < 0 || dim < 0) {
      result = result == 0 ? 0 : Shape::kUnknownDim;
    } else {
      const auto both = checked_mul(result, dim);
      require(site, both.has_value(), "shape {} has too many elements", shape.str());
      result = *both;
    }
  }
  return result;
}

std::vector<ValueType> infer(const OpSite& site) {
  const int rank = site.input_shape(0).rank();
  const int64_t given = site.attributes->get_int("axis", 1);
  require(site, -rank <= given && given <= rank, "axis {} of a tensor of {} dimensions", given, rank);
  const int axis = static_cast<int>(given < 0 ? given + rank : given);
  return {{site.inputs[0].type.dtype, Shape{product(site, 0, axis), product(site, axis, rank)}}};
}

}  // namespace

const OpSchema& flatten_schema() {
  static const OpSchema schema = {
      .name = "Flatten",
      .domain = "",
      .inputs = {{"input"}},
      .outputs = {"output"},
      .infer = infer,
      .cost = movement_cost,
      .reference = copy_reference,
      .alias = true,
  };
  return schema;
}

}  // namespace halftone
