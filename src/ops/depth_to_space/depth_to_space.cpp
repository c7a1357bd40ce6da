#include "ops/depth_to_space/depth_to_space.h"

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
  const std::string mode = site.attributes->get_string("mode", "DCR");
  require(site, mode == "DCR" || mode == "CRD", "attribute mode: expected DCR or CRD, found \"{}\"", mode);
  require(site, x[1] < 0 || x[1] % (block * block) == 0, "{} channels do not divide among blocks of {}", x[1],
          block * block);
  const auto times = [&](int64_t dim) {
    const auto product = dim < 0 ? std::optional(Shape::kUnknownDim) : checked_mul(dim, block);
    require(site, product.has_value(), "{} times {} overflows", dim, block);
    return *product;
  };
  const int64_t channels = x[1] < 0 ? Shape::kUnknownDim : x[1] / (block * block);
  return {{site.inputs[0].type.dtype, Shape{x[0], channels, times(x[2]), times(x[3])}}};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor from = plain(inputs[0]);
  const int64_t block = block_size(site);
  const bool block_first = site.attributes->get_string("mode", "DCR") == "DCR";
  const Shape& x = from.shape();
  const Shape& y = outputs[0].shape;
  const int64_t plane = x[2] * x[3];
  const int64_t place = plane * (block_first ? y[1] : 1);             // to the next column within the block
  const int64_t channel = plane * (block_first ? 1 : block * block);  // to the next channel of the output
  const size_t size = dtype_bytes(from.dtype());
  walk<1>({y[0], y[1], x[2], block, x[3], block},
          {Strides{x[1] * plane, channel, x[3], place * block, 1, place}},
          [&](int64_t i, const std::array<int64_t, 1>& at) {
            copy_element(outputs[0].data, i, from.view().data, at[0], size);
          });
}

}  // namespace

const OpSchema& depth_to_space_schema() {
  static const OpSchema schema = {
      .name = "DepthToSpace",
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
