#include "ops/cum_sum/cum_sum.h"

#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/movement.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const ValueType& x = site.inputs[0].type;
  require(site, x.dtype != DType::boolean && x.dtype != DType::state, "no sums of {}", dtype_name(x.dtype));
  require(site, x.shape.rank() > 0, "x is a scalar");
  require_indices(site, 1);
  require(site, site.input_shape(1).checked_elements().value_or(1) == 1, "axis: expected a scalar, found {}",
          site.input_shape(1).str());
  if (const auto axis = known_ints(site, 1)) checked_axis(site, (*axis)[0], x.shape.rank());
  return {x};
}

int64_t axis_of(const TensorView& axis) {
  return axis.dtype == DType::i64 ? axis.span<int64_t>()[0] : axis.span<int32_t>()[0];
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor x = plain(inputs[0]);
  const int axis = checked_axis(site, axis_of(inputs[1].tensor), x.shape().rank());
  const bool exclusive = site.attributes->get_int("exclusive", 0) != 0;
  const bool reverse = site.attributes->get_int("reverse", 0) != 0;
  const int64_t length = x.shape()[axis];
  const int64_t step = row_major_strides(x.shape())[static_cast<size_t>(axis)];
  const int64_t lines = length == 0 ? 0 : x.shape().elements() / length;
  visit_number(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    using Sum = std::conditional_t<std::is_integral_v<T>, T, double>;
    for (int64_t line = 0; line < lines; ++line) {
      const int64_t first = line / step * step * length + line % step;
      Sum sum{};
      for (int64_t i = 0; i < length; ++i) {
        const auto at = static_cast<size_t>(first + (reverse ? length - 1 - i : i) * step);
        const Sum next = wrapping<Sum>(sum, static_cast<Sum>(widen(x.span<T>()[at])),
                                       [](auto a, auto b) { return a + b; });
        outputs[0].span<T>()[at] = narrow<T>(exclusive ? sum : next);
        sum = next;
      }
    }
  });
}

}  // namespace

const OpSchema& cum_sum_schema() {
  static const OpSchema schema = {
      .name = "CumSum",
      .domain = "",
      .inputs = {{"x"}, {"axis"}},
      .outputs = {"y"},
      .infer = infer,
      .cost = elementwise_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
