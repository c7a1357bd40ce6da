#include "ops/shape/shape.h"

#include <algorithm>

#include "ops/elementwise.h"

namespace halftone {
namespace {

struct AxisRange {
  int start, end;
};

AxisRange axes_of(const OpSite& site) {
  const int rank = site.input_shape(0).rank();
  auto axis = [&](std::string_view name, int64_t fallback) {
    const int64_t given = site.attributes->get_int(name, fallback);
    const int64_t from_front = given < 0 ? std::max<int64_t>(given, -rank) + rank : given;
    return static_cast<int>(std::min<int64_t>(from_front, rank));
  };
  return {axis("start", 0), axis("end", rank)};
}

std::vector<ValueType> infer(const OpSite& site) {
  const AxisRange axes = axes_of(site);
  return {{DType::i64, Shape{std::max(axes.end - axes.start, 0)}}};
}

void reference(const OpSite& site, std::span<const Operand>, std::span<const MutableTensorView> outputs) {
  const AxisRange axes = axes_of(site);
  for (int axis = axes.start; axis < axes.end; ++axis)
    outputs[0].span<int64_t>()[static_cast<size_t>(axis - axes.start)] = site.input_shape(0)[axis];
}

Cost cost(const OpSite&) {
  return {};
}

}  // namespace

const OpSchema& shape_schema() {
  static const OpSchema schema = {
      .name = "Shape",
      .domain = "",
      .inputs = {{"data"}},
      .outputs = {"shape"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
      .of_shapes = true,
  };
  return schema;
}

}  // namespace halftone
