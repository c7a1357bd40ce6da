#include "ops/concat/concat.h"

#include <cstring>

#include "base/checked.h"
#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

int axis_of(const OpSite& site) {
  require(site, site.attributes->has("axis"), "attribute axis is missing");
  return axis_attribute(site, "axis", 0, site.input_shape(0).rank());
}

std::vector<ValueType> infer(const OpSite& site) {
  ValueType out = site.inputs[0].type;
  const int axis = axis_of(site);
  for (size_t i = 1; i < site.inputs.size(); ++i) {
    const ValueType& next = site.inputs[i].type;
    require(site, next.dtype == out.dtype && next.shape.rank() == out.shape.rank(),
            "input {}: {} {} beside {} {}", i, dtype_name(next.dtype), next.shape.str(),
            dtype_name(out.dtype), out.shape.str());
    for (int a = 0; a < out.shape.rank(); ++a) {
      require(site, a == axis || sizes_may_agree(next.shape[a], out.shape[a]),
              "input {}: {} beside {} along axis {}", i, next.shape.str(), out.shape.str(), axis);
      const bool tells_more = next.shape[a] >= 0 || out.shape[a] == Shape::kUnknownDim;
      if (a != axis && out.shape[a] < 0 && tells_more) out.shape[a] = next.shape[a];
    }
    if (out.shape[axis] < 0 || next.shape[axis] < 0) {
      out.shape[axis] = Shape::kUnknownDim;
    } else {
      const auto sum = checked_add(out.shape[axis], next.shape[axis]);
      require(site, sum.has_value(), "input {}: the sizes along axis {} overflow", i, axis);
      out.shape[axis] = *sum;
    }
  }
  return {out};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const int axis = axis_of(site);
  const MutableTensorView& out = outputs[0];
  int64_t outer = 1;
  for (int a = 0; a < axis; ++a) outer *= out.shape[a];
  std::byte* to = out.data;
  for (int64_t o = 0; o < outer; ++o)
    for (const Operand& operand : inputs) {
      const Tensor from = plain(operand);
      const size_t piece = from.size_bytes() / static_cast<size_t>(outer);
      if (piece > 0) std::memcpy(to, from.view().data + static_cast<size_t>(o) * piece, piece);
      to += piece;
    }
}

}  // namespace

const OpSchema& concat_schema() {
  static const OpSchema schema = {
      .name = "Concat",
      .domain = "",
      .inputs = {{"inputs"}},
      .variadic_inputs = true,
      .outputs = {"concat_result"},
      .infer = infer,
      .cost = movement_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
