#include "ops/non_zero/non_zero.h"

#include <algorithm>

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

/// Calls body(i) for each element that is not 0.
template <class Body>
void visit_nonzero(const TensorView& tensor, Body body) {
  const auto visit = [&](auto zero) {
    using T = decltype(zero);
    const auto elements = tensor.span<T>();
    for (size_t i = 0; i < elements.size(); ++i)
      if (widen(elements[i]) != widen(zero)) body(static_cast<int64_t>(i));
  };
  if (tensor.dtype == DType::boolean)
    visit(bool{});
  else
    visit_number(tensor.dtype, visit);
}

std::vector<ValueType> infer(const OpSite& site) {
  int64_t count = Shape::kUnknownDim;
  if (const auto x = known_value(site, 0)) {
    count = 0;
    visit_nonzero(x->view(), [&](int64_t) { ++count; });
  }
  return {{DType::i64, Shape{std::max(site.input_shape(0).rank(), 1), count}}};
}

void reference(const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
  const Tensor x = plain(inputs[0]);
  const Strides strides = row_major_strides(x.shape());
  const auto out = outputs[0].span<int64_t>();
  const int64_t columns = outputs[0].shape[1];
  int64_t column = 0;
  visit_nonzero(x.view(), [&](int64_t i) {
    if (x.shape().rank() == 0) out[static_cast<size_t>(column)] = 0;
    for (int axis = 0; axis < x.shape().rank(); ++axis)
      out[static_cast<size_t>(axis * columns + column)] =
          i / strides[static_cast<size_t>(axis)] % x.shape()[axis];
    ++column;
  });
}

}  // namespace

const OpSchema& non_zero_schema() {
  static const OpSchema schema = {
      .name = "NonZero",
      .domain = "",
      .inputs = {{"X"}},
      .outputs = {"Y"},
      .infer = infer,
      .cost = movement_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
