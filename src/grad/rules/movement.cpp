#include "ops/movement.h"

#include <algorithm>

#include "grad/gradient_scope.h"

namespace halftone {
namespace {

ValueId slice(GradientScope& s, ValueId value, int axis, int64_t begin, int64_t end) {
  return s.op("Slice", {value, s.ints({begin}), s.ints({end}), s.ints({axis})});
}

/// Sizes of the pieces along `axis`, which must be known.
std::vector<int64_t> sizes_along(GradientScope& s, const std::vector<ValueId>& pieces, int axis) {
  std::vector<int64_t> sizes;
  for (ValueId piece : pieces) {
    sizes.push_back(s.shape(piece)[axis]);
    if (sizes.back() < 0) s.refuse("along a symbolic axis");
  }
  return sizes;
}

}  // namespace

/// Of Identity, Reshape, Squeeze, Unsqueeze: the same elements under the input's shape.
void same_elements_gradient(GradientScope& s) {
  s.give(0, s.reshape(s.gradient(), s.shape(s.input(0))));
}

void transpose_gradient(GradientScope& s) {
  const int64_t rank = s.shape(s.input(0)).rank();
  std::vector<int64_t> reversed;
  for (int64_t axis = rank; axis-- > 0;) reversed.push_back(axis);
  const std::vector<int64_t> perm = s.attributes().get_ints("perm", reversed);
  std::vector<int64_t> inverse(perm.size());
  for (size_t axis = 0; axis < perm.size(); ++axis)
    inverse[static_cast<size_t>(perm[axis])] = static_cast<int64_t>(axis);
  s.give(0, s.transpose(s.gradient(), inverse));
}

void expand_gradient(GradientScope& s) {
  s.give(0, s.sum_to(s.gradient(), s.shape(s.input(0))));
}

/// Each input gets its piece.
void concat_gradient(GradientScope& s) {
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < s.input_count(); ++i) inputs.push_back(s.input(i));
  const int axis = axis_attribute(s.site(), "axis", 0, s.shape(s.output()).rank());
  const std::vector<int64_t> sizes = sizes_along(s, inputs, axis);
  int64_t begin = 0;
  for (size_t i = 0; i < inputs.size(); begin += sizes[i++])
    if (s.wants(i)) s.give(i, slice(s, s.gradient(), axis, begin, begin + sizes[i]));
}

/// The pieces' gradients one after another, zeros where a piece has none.
void split_gradient(GradientScope& s) {
  const int axis = axis_attribute(s.site(), "axis", 0, s.shape(s.input(0)).rank());
  std::vector<ValueId> pieces;
  for (size_t i = 0; i < s.output_count(); ++i)
    pieces.push_back(s.gradient(i) == kNoValue ? s.zeros(s.shape(s.output(i))) : s.gradient(i));
  s.give(0, s.op("Concat", pieces, {{"axis", int64_t{axis}}}));
}

namespace {

/// The integers of an input; nothing where it is absent.
std::optional<std::vector<int64_t>> ints_of(GradientScope& s, const OpSite& site, size_t input) {
  auto ints = known_ints(site, input);
  if (!ints && site.has_input(input)) s.refuse("by integers that are computed at run time");
  return ints;
}

}  // namespace

/// Zeros around the gradient, one axis after the other. Steps other than 1 are refused.
void slice_gradient(GradientScope& s) {
  const OpSite site = s.site();
  const std::vector<int64_t> starts = *ints_of(s, site, 1), ends = *ints_of(s, site, 2);
  std::vector<int64_t> in_order(starts.size());
  for (size_t i = 0; i < in_order.size(); ++i) in_order[i] = static_cast<int64_t>(i);
  const std::vector<int64_t> axes = ints_of(s, site, 3).value_or(in_order);
  for (int64_t step : ints_of(s, site, 4).value_or(std::vector<int64_t>(starts.size(), 1)))
    if (step != 1) s.refuse("with a step other than 1");

  const Shape whole = s.shape(s.input(0));
  ValueId padded = s.gradient();
  for (size_t i = 0; i < starts.size(); ++i) {
    const int axis = checked_axis(site, axes[i], whole.rank());
    const int64_t size = whole[axis], kept = s.shape(padded)[axis];
    if (size == kept) continue;
    if (size < 0 || kept < 0) s.refuse("along a symbolic axis");
    const int64_t begin = std::clamp<int64_t>(starts[i] < 0 ? starts[i] + size : starts[i], 0, size);
    std::vector<ValueId> pieces;
    auto fill = [&](int64_t count) {
      Shape shape = s.shape(padded);
      shape[axis] = count;
      if (count > 0) pieces.push_back(s.zeros(shape));
    };
    fill(begin);
    pieces.push_back(padded);
    fill(size - begin - kept);
    padded = s.op("Concat", pieces, {{"axis", int64_t{axis}}});
  }
  s.give(0, padded);
}

/// Slices along `axis` add up where the indices put them.
void gather_gradient(GradientScope& s) {
  s.give(0, s.op("GatherGradient", {s.gradient(), s.input(1), s.input(0)},
                 {{"axis", s.attributes().get_int("axis", 0)}}));
}

namespace {

/// The gradient under the shape that keepdims = 1 would have given.
ValueId with_kept_axes(GradientScope& s) {
  const Shape x = s.shape(s.input(0));
  const OpSite site = s.site();
  const std::vector<int64_t> axes = ints_of(s, site, 1).value_or(std::vector<int64_t>{});
  Shape kept = x;
  for (int axis = 0; axis < x.rank(); ++axis)
    if (axes.empty()) kept[axis] = 1;
  for (int64_t axis : axes) kept[checked_axis(site, axis, x.rank())] = 1;
  return s.reshape(s.gradient(), kept);
}

bool reduces_nothing(GradientScope& s) {
  return s.input_count() < 2 && s.attributes().get_int("noop_with_empty_axes", 0) != 0;
}

}  // namespace

void reduce_sum_gradient(GradientScope& s) {
  if (reduces_nothing(s)) return s.give(0, s.gradient());
  s.give(0, s.expand(with_kept_axes(s), s.shape(s.input(0))));
}

void reduce_mean_gradient(GradientScope& s) {
  if (reduces_nothing(s)) return s.give(0, s.gradient());
  const Shape x = s.shape(s.input(0)), y = s.shape(s.output());
  if (!x.is_concrete()) s.refuse("at the symbolic shape " + x.str());
  const float share = static_cast<float>(y.elements()) / static_cast<float>(x.elements());
  s.give(0, s.times(s.expand(with_kept_axes(s), x), share));
}

}  // namespace halftone
