#include "ops/where/where.h"

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const DType x = site.inputs[1].type.dtype;
  const DType y = site.inputs[2].type.dtype;
  require(site, site.inputs[0].type.dtype == DType::boolean, "condition: expected bool, found {}",
          dtype_name(site.inputs[0].type.dtype));
  require(site, x == y, "X is {}, Y is {}", dtype_name(x), dtype_name(y));
  const Shape both = broadcast_shapes(site, site.input_shape(1), site.input_shape(2));
  return {{x, broadcast_shapes(site, site.input_shape(0), both)}};
}

void reference(const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
  const MutableTensorView& out = outputs[0];
  const Tensor condition = plain(inputs[0]);
  const Tensor x = plain(inputs[1]);
  const Tensor y = plain(inputs[2]);
  const size_t size = dtype_bytes(out.dtype);
  walk<3>(out.shape,
          {broadcast_strides(condition.shape(), out.shape), broadcast_strides(x.shape(), out.shape),
           broadcast_strides(y.shape(), out.shape)},
          [&](int64_t i, const std::array<int64_t, 3>& at) {
            if (condition.span<bool>()[static_cast<size_t>(at[0])])
              copy_element(out.data, i, x.view().data, at[1], size);
            else
              copy_element(out.data, i, y.view().data, at[2], size);
          });
}

}  // namespace

const OpSchema& where_schema() {
  static const OpSchema schema = {
      .name = "Where",
      .domain = "",
      .inputs = {{"condition"}, {"X"}, {"Y"}},
      .outputs = {"output"},
      .infer = infer,
      .cost = elementwise_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
