#include "ops/transpose/transpose.h"

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

std::vector<int> permutation(const OpSite& site) {
  const int rank = site.input_shape(0).rank();
  std::vector<int64_t> reversed;
  for (int axis = rank; axis-- > 0;) reversed.push_back(axis);
  const std::vector<int64_t> given = site.attributes->get_ints("perm", reversed);
  require(site, given.size() == static_cast<size_t>(rank), "attribute perm has {} axes, the input {}",
          given.size(), rank);
  std::vector<int> order;
  std::vector<bool> seen(given.size());
  for (int64_t axis : given) {
    order.push_back(checked_axis(site, axis, rank));
    require(site, !seen[static_cast<size_t>(order.back())], "attribute perm names axis {} twice",
            order.back());
    seen[static_cast<size_t>(order.back())] = true;
  }
  return order;
}

std::vector<ValueType> infer(const OpSite& site) {
  Shape shape;
  for (int axis : permutation(site)) shape.push_back(site.input_shape(0)[axis]);
  return {{site.inputs[0].type.dtype, shape}};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor from = plain(inputs[0]);
  const Strides dense = row_major_strides(from.shape());
  Strides strides{};
  size_t to_axis = 0;
  for (int axis : permutation(site)) strides[to_axis++] = dense[static_cast<size_t>(axis)];
  const size_t size = dtype_bytes(from.dtype());
  walk<1>(outputs[0].shape, {strides}, [&](int64_t i, const std::array<int64_t, 1>& at) {
    copy_element(outputs[0].data, i, from.view().data, at[0], size);
  });
}

}  // namespace

const OpSchema& transpose_schema() {
  static const OpSchema schema = {
      .name = "Transpose",
      .domain = "",
      .inputs = {{"data"}},
      .outputs = {"transposed"},
      .infer = infer,
      .cost = movement_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
