#include "ops/elementwise.h"
#include "ops/movement.h"
#include "ops/reduction/reduction.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  require_number(site, 0);
  const Shape& data = site.input_shape(0);
  const int reduced = axis_attribute(site, "axis", 0, data.rank());
  require(site, data[reduced] != 0, "axis {} of {} has no elements", reduced, data.str());
  Shape shape;
  for (int axis = 0; axis < data.rank(); ++axis)
    if (axis != reduced)
      shape.push_back(data[axis]);
    else if (site.attributes->get_int("keepdims", 1) != 0)
      shape.push_back(1);
  return {{DType::i64, shape}};
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = static_cast<double>(site.input_shape(0).elements());
  return total;
}

/// Whether an element takes the place of the best before it.
template <bool kLargest, class T>
bool beats(T x, T best, bool last) {
  if (best != best) return last && x != x;
  if (x != x) return true;
  return (kLargest ? x > best : x < best) || (last && x == best);
}

template <bool kLargest>
void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor x = plain(inputs[0]);
  const int axis = axis_attribute(site, "axis", 0, x.shape().rank());
  const bool last = site.attributes->get_int("select_last_index", 0) != 0;
  const int64_t step = row_major_strides(x.shape())[static_cast<size_t>(axis)];
  Shape lines = x.shape();
  lines[axis] = 1;
  const auto found = outputs[0].span<int64_t>();
  visit_number(x.dtype(), [&](auto zero) {
    const auto xs = x.span<decltype(zero)>();
    walk<1>(lines, {row_major_strides(x.shape())}, [&](int64_t i, const std::array<int64_t, 1>& at) {
      int64_t best = 0;
      auto element = [&](int64_t index) { return widen(xs[static_cast<size_t>(at[0] + index * step)]); };
      for (int64_t index = 1; index < x.shape()[axis]; ++index)
        if (beats<kLargest>(element(index), element(best), last)) best = index;
      found[static_cast<size_t>(i)] = best;
    });
  });
}

template <bool kLargest>
OpSchema arg_reduction(std::string_view name) {
  return {.name = name,
          .domain = "",
          .inputs = {{"data"}},
          .outputs = {"reduced"},
          .infer = infer,
          .cost = cost,
          .reference = reference<kLargest>};
}

}  // namespace

std::span<const OpSchema> arg_reduction_schemas() {
  static const OpSchema schemas[] = {arg_reduction<true>("ArgMax"), arg_reduction<false>("ArgMin")};
  return schemas;
}

}  // namespace halftone
