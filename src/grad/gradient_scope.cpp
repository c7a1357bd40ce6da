#include "grad/gradient_scope.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace halftone {

const Constant* GradientScope::constant(size_t i) const {
  if (input(i) == kNoValue) return nullptr;
  const Value& value = graph_.value(input(i));
  return value.constant ? &*value.constant : nullptr;
}

void GradientScope::refuse(const std::string& what) const {
  throw UnsupportedError("{} ({}): its gradient is not known {}", node_.name, node_.schema->name, what);
}

void GradientScope::give(size_t i, ValueId gradient) {
  gradients_.resize(graph_.values().size(), kNoValue);
  ValueId& total = gradients_[static_cast<size_t>(input(i))];
  total = total == kNoValue ? gradient : add(total, gradient);
  gradients_.resize(graph_.values().size(), kNoValue);
}

std::string GradientScope::fresh_name(std::string_view op) {
  return fmt::format("{}.gradient.{}{}", node_.name, op, made_++);
}

std::vector<ValueId> GradientScope::ops(std::string_view op, std::vector<ValueId> inputs,
                                        Attributes attributes) {
  return graph_.add_node(*find_op(op), fresh_name(op), std::move(inputs), std::move(attributes));
}

ValueId GradientScope::op(std::string_view op, std::vector<ValueId> inputs, Attributes attributes) {
  return ops(op, std::move(inputs), std::move(attributes)).front();
}

ValueId GradientScope::scalar(float value) {
  return graph_.add_constant(fresh_name("scalar"), Constant(Tensor::from<float>(Shape{}, {value})));
}

ValueId GradientScope::ints(const std::vector<int64_t>& values) {
  const Shape shape{static_cast<int64_t>(values.size())};
  return graph_.add_constant(fresh_name("ints"), Constant(Tensor::from<int64_t>(shape, std::span(values))));
}

ValueId GradientScope::zeros(const Shape& shape) {
  if (!shape.is_concrete()) refuse("at the symbolic shape " + shape.str());
  return graph_.add_constant(fresh_name("zeros"), Constant(Tensor::zeros(DType::f32, shape)));
}

ValueId GradientScope::reshape(ValueId value, const Shape& to) {
  if (shape(value) == to) return value;
  std::vector<int64_t> dims(to.begin(), to.end());
  if (std::count_if(dims.begin(), dims.end(), [](int64_t dim) { return dim < 0; }) > 1)
    refuse("at the symbolic shape " + to.str());
  for (int64_t& dim : dims) dim = std::max<int64_t>(dim, -1);
  return op("Reshape", {value, ints(dims)});
}

ValueId GradientScope::expand(ValueId value, const Shape& to) {
  if (shape(value) == to) return value;
  if (!to.is_concrete()) refuse("at the symbolic shape " + to.str());
  return op("Expand", {value, ints({to.begin(), to.end()})});
}

ValueId GradientScope::sum_to(ValueId value, const Shape& to) {
  const Shape from = shape(value);
  if (from == to) return value;
  std::vector<int64_t> axes;
  const int added = from.rank() - to.rank();
  for (int axis = 0; axis < from.rank(); ++axis)
    if (axis < added || (to[axis - added] == 1 && from[axis] != 1)) axes.push_back(axis);
  if (!axes.empty()) value = op("ReduceSum", {value, ints(axes)}, {{"keepdims", int64_t{1}}});
  return reshape(value, to);
}

ValueId GradientScope::transpose(ValueId value, const std::vector<int64_t>& perm) {
  return op("Transpose", {value}, {{"perm", perm}});
}

ValueId GradientScope::turned(ValueId value) {
  std::vector<int64_t> perm(static_cast<size_t>(shape(value).rank()));
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return transpose(value, perm);
}

}  // namespace halftone
