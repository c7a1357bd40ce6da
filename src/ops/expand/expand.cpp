#include "ops/expand/expand.h"

#include "ops/elementwise.h"
#include "ops/movement.h"
#include "ops/reshape/reshape.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  require(site, site.has_input(1), "input shape is missing");
  const auto asked = known_ints(site, 1);
  if (asked) check_known_dims(site, Shape(*asked));
  if (asked)
    for (int64_t dim : *asked) require(site, dim >= 0, "shape: {} is no size", dim);
  const Shape shape = asked ? Shape(*asked) : asked_shape(site);
  return {{site.inputs[0].type.dtype, broadcast_shapes(site, site.input_shape(0), shape)}};
}

void reference(const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
  const Tensor from = plain(inputs[0]);
  const size_t size = dtype_bytes(from.dtype());
  walk<1>(outputs[0].shape, {broadcast_strides(from.shape(), outputs[0].shape)},
          [&](int64_t i, const std::array<int64_t, 1>& at) {
            copy_element(outputs[0].data, i, from.view().data, at[0], size);
          });
}

}  // namespace

const OpSchema& expand_schema() {
  static const OpSchema schema = {
      .name = "Expand",
      .domain = "",
      .inputs = {{"input"}, {"shape"}},
      .outputs = {"output"},
      .infer = infer,
      .cost = movement_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
