#include <cmath>

#include "ops/comparison/comparison.h"
#include "ops/elementwise.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const DType dtype = site.inputs[0].type.dtype;
  require(site, is_float(dtype), "expected floating numbers, found {}", dtype_name(dtype));
  return {{DType::boolean, site.input_shape(0)}};
}

/// f(number) of every element.
template <class F>
void map_to_bool(const Operand& operand, const MutableTensorView& output, F f) {
  const Tensor x = plain(operand);
  const std::span<bool> y = output.span<bool>();
  visit_number(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (!std::is_integral_v<T>)
      for (size_t i = 0; i < y.size(); ++i) y[i] = f(widen(x.span<T>()[i]));
  });
}

void is_nan(const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
  map_to_bool(inputs[0], outputs[0], [](auto x) { return std::isnan(x); });
}

void is_inf(const OpSite& site, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
  const bool negative = site.attributes->get_int("detect_negative", 1) != 0;
  const bool positive = site.attributes->get_int("detect_positive", 1) != 0;
  map_to_bool(inputs[0], outputs[0],
              [&](auto x) { return std::isinf(x) && (std::signbit(x) ? negative : positive); });
}

}  // namespace

std::span<const OpSchema> float_kind_schemas() {
  static const OpSchema schemas[] = {
      {.name = "IsInf",
       .domain = "",
       .inputs = {{"X"}},
       .outputs = {"Y"},
       .infer = infer,
       .cost = elementwise_cost,
       .reference = is_inf},
      {.name = "IsNaN",
       .domain = "",
       .inputs = {{"X"}},
       .outputs = {"Y"},
       .infer = infer,
       .cost = elementwise_cost,
       .reference = is_nan},
  };
  return schemas;
}

}  // namespace halftone
