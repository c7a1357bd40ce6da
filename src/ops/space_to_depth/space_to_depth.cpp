#include "ops/space_to_depth/space_to_depth.h"

#include "base/checked.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/movement.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const Shape& x = site.input_shape(0);
  require(site, x.rank() == 4, "input: expected [N, C, H, W], found {}", x.str());
  const int64_t block = block_size(site);
  for (int axis : {2, 3})
    require(site, x[axis] < 0 || x[axis] % block == 0, "{} does not divide into blocks of {}", x[axis],
            block);
  const auto channels = x[1] < 0 ? std::optional(Shape::kUnknownDim) : checked_mul(x[1], block * block);
  require(site, channels.has_value(), "{} channels times {} overflow", x[1], block * block);
  const auto part = [&](int64_t dim) { return dim < 0 ? Shape::kUnknownDim : dim / block; };
  return {{site.inputs[0].type.dtype, Shape{x[0], *channels, part(x[2]), part(x[3])}}};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor from = plain(inputs[0]);
  const int64_t block = block_size(site);
  const Shape& x = from.shape();
  const Shape& y = outputs[0].shape;
  const int64_t plane = x[2] * x[3];
  const size_t size = dtype_bytes(from.dtype());
  walk<1>({x[0], block, block, x[1], y[2], y[3]},
          {Strides{x[1] * plane, x[3], 1, plane, block * x[3], block}},
          [&](int64_t i, const std::array<int64_t, 1>& at) {
            copy_element(outputs[0].data, i, from.view().data, at[0], size);
          });
}

}  // namespace

const OpSchema& space_to_depth_schema() {
  static const OpSchema schema = {
      .name = "SpaceToDepth",
      .domain = "",
      .inputs = {{"input"}},
      .outputs = {"output"},
      .infer = infer,
      .cost = movement_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
