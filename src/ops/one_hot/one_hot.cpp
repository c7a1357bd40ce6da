#include "ops/one_hot/one_hot.h"

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

double number_at(const TensorView& tensor, int64_t i) {
  double value = 0;
  visit_number(tensor.dtype, [&](auto zero) {
    value = static_cast<double>(widen(tensor.span<decltype(zero)>()[static_cast<size_t>(i)]));
  });
  return value;
}

std::vector<ValueType> infer(const OpSite& site) {
  const Shape& indices = site.input_shape(0);
  require(site, site.input_shape(1).checked_elements().value_or(1) == 1, "depth: expected a scalar, found {}",
          site.input_shape(1).str());
  require(site, site.input_shape(2).rank() == 1 && sizes_may_agree(site.input_shape(2)[0], 2),
          "values: expected [off, on], found {}", site.input_shape(2).str());
  const int axis = axis_attribute(site, "axis", -1, indices.rank() + 1);
  int64_t depth = Shape::kUnknownDim;
  if (const auto known = known_value(site, 1)) {
    const double given = number_at(known->view(), 0);
    require(site, given >= 0 && given < 0x1p31, "depth: found {}", given);
    depth = static_cast<int64_t>(given);
  }
  Shape out;
  for (int a = 0; a <= indices.rank(); ++a) out.push_back(a == axis ? depth : indices[a < axis ? a : a - 1]);
  return {{site.inputs[2].type.dtype, out}};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor indices = plain(inputs[0]);
  const Shape& shape = outputs[0].shape;
  const int axis = axis_attribute(site, "axis", -1, shape.rank());
  const int64_t depth = shape[axis];
  const int64_t inner = row_major_strides(shape)[static_cast<size_t>(axis)];
  const size_t size = dtype_bytes(outputs[0].dtype);
  for (int64_t i = 0, count = shape.elements(); i < count; ++i) {
    const int64_t place = i / inner % depth;
    double index = number_at(indices.view(), i / (inner * depth) * inner + i % inner);
    if (index < 0) index += static_cast<double>(depth);
    copy_element(outputs[0].data, i, inputs[2].tensor.data, index == static_cast<double>(place) ? 1 : 0,
                 size);
  }
}

}  // namespace

const OpSchema& one_hot_schema() {
  static const OpSchema schema = {
      .name = "OneHot",
      .domain = "",
      .inputs = {{"indices"}, {"depth"}, {"values"}},
      .outputs = {"output"},
      .infer = infer,
      .cost = movement_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
