#include "ops/unsqueeze/unsqueeze.h"

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const Shape& shape = site.input_shape(0);
  require(site, site.has_input(1), "input axes is missing");
  const auto axes = known_ints(site, 1);
  if (!axes) return {{site.inputs[0].type.dtype, unknown_shape(shape.rank() + known_length(site, 1))}};
  require(site, axes->size() <= Shape::kMaxRank, "axes: {} entries", axes->size());
  const int rank = shape.rank() + static_cast<int>(axes->size());
  std::vector<bool> fresh(static_cast<size_t>(rank));
  for (int64_t given : *axes) {
    const auto axis = static_cast<size_t>(checked_axis(site, given, rank));
    require(site, !fresh[axis], "axes names axis {} twice", axis);
    fresh[axis] = true;
  }
  Shape out;
  int next = 0;
  for (bool one : fresh) out.push_back(one ? 1 : shape[next++]);
  return {{site.inputs[0].type.dtype, out}};
}

}  // namespace

const OpSchema& unsqueeze_schema() {
  static const OpSchema schema = {
      .name = "Unsqueeze",
      .domain = "",
      .inputs = {{"data"}, {"axes"}},
      .outputs = {"expanded"},
      .infer = infer,
      .cost = movement_cost,
      .reference = copy_reference,
      .alias = true,
  };
  return schema;
}

}  // namespace halftone
