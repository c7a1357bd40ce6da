#include "ops/compress/compress.h"

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

/// Places of `condition` that are true.
std::vector<int64_t> chosen(const TensorView& condition) {
  std::vector<int64_t> places;
  const auto flags = condition.span<bool>();
  for (size_t i = 0; i < flags.size(); ++i)
    if (flags[i]) places.push_back(static_cast<int64_t>(i));
  return places;
}

std::vector<ValueType> infer(const OpSite& site) {
  const ValueType& data = site.inputs[0].type;
  require(site, site.inputs[1].type.dtype == DType::boolean && site.input_shape(1).rank() == 1,
          "condition: expected a vector of bool, found {} {}", dtype_name(site.inputs[1].type.dtype),
          site.input_shape(1).str());
  Shape out = data.shape;
  int axis = 0;
  if (site.attributes->has("axis"))
    axis = axis_attribute(site, "axis", 0, data.shape.rank());
  else
    out = Shape{data.shape.checked_elements().value_or(Shape::kUnknownDim)};
  const int64_t length = out[axis];
  out[axis] = Shape::kUnknownDim;
  if (const auto condition = known_value(site, 1)) {
    const std::vector<int64_t> places = chosen(condition->view());
    require(site, length < 0 || places.empty() || places.back() < length, "condition chooses {} of {}",
            places.empty() ? 0 : places.back(), length);
    out[axis] = static_cast<int64_t>(places.size());
  }
  return {{data.dtype, out}};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor from = plain(inputs[0]);
  const std::vector<int64_t> places = chosen(inputs[1].tensor);
  const Shape shape = site.attributes->has("axis") ? from.shape() : Shape{from.shape().elements()};
  const int axis = axis_attribute(site, "axis", 0, shape.rank());
  const int64_t inner = row_major_strides(shape)[static_cast<size_t>(axis)];
  const auto count = static_cast<int64_t>(places.size());
  const size_t size = dtype_bytes(from.dtype());
  for (int64_t i = 0, all = outputs[0].shape.elements(); i < all; ++i) {
    const int64_t place = places[static_cast<size_t>(i / inner % count)];
    copy_element(outputs[0].data, i, from.view().data,
                 (i / (inner * count) * shape[axis] + place) * inner + i % inner, size);
  }
}

}  // namespace

const OpSchema& compress_schema() {
  static const OpSchema schema = {
      .name = "Compress",
      .domain = "",
      .inputs = {{"input"}, {"condition"}},
      .outputs = {"output"},
      .infer = infer,
      .cost = movement_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
