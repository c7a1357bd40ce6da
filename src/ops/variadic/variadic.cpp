#include "ops/variadic/variadic.h"

#include "ops/elementwise.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  require_number(site, 0);
  ValueType out = site.inputs[0].type;
  for (const SiteInput& input : site.inputs) {
    require(site, input.type.dtype == out.dtype, "inputs have different types, {} and {}",
            dtype_name(out.dtype), dtype_name(input.type.dtype));
    out.shape = broadcast_shapes(site, out.shape, input.type.shape);
  }
  return {out};
}

std::vector<ValueType> infer_floating(const OpSite& site) {
  infer_float_map(site);
  return infer(site);
}

Cost cost(const OpSite& site) {
  Cost total = elementwise_cost(site);
  total.flops *= static_cast<double>(site.inputs.size());
  return total;
}

/// y = finish(fold of all inputs by f, how many they are).
template <class F, class Finish>
void fold(std::span<const Operand> inputs, const MutableTensorView& y, F f, Finish finish) {
  visit_number(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<decltype(widen(zero))> folded(static_cast<size_t>(y.shape.elements()));
    for (size_t n = 0; n < inputs.size(); ++n) {
      const Tensor x = plain(inputs[n]);
      const auto xs = x.span<T>();
      walk<1>(y.shape, {broadcast_strides(x.shape(), y.shape)},
              [&](int64_t i, const std::array<int64_t, 1>& at) {
                auto& element = folded[static_cast<size_t>(i)];
                const auto next = widen(xs[static_cast<size_t>(at[0])]);
                element = n == 0 ? next : f(element, next);
              });
    }
    const auto ys = y.span<T>();
    for (size_t i = 0; i < ys.size(); ++i) ys[i] = narrow<T>(finish(folded[i], inputs.size()));
  });
}

template <class F, class Finish>
OpSchema variadic(std::string_view name, decltype(OpSchema::infer) infer_rule, F, Finish) {
  return {.name = name,
          .domain = "",
          .inputs = {{"data_0"}},
          .variadic_inputs = true,
          .outputs = {"result"},
          .infer = infer_rule,
          .cost = cost,
          .reference = [](const OpSite&, std::span<const Operand> inputs,
                          std::span<const MutableTensorView> outputs) {
            fold(inputs, outputs[0], F{}, Finish{});
          }};
}

}  // namespace

std::span<const OpSchema> variadic_schemas() {
  constexpr auto add = [](auto a, auto b) { return a + b; };
  constexpr auto as_is = [](auto x, size_t) { return x; };
  constexpr auto mean = [](auto x, size_t count) { return x / static_cast<decltype(x)>(count); };
  static const OpSchema schemas[] = {
      variadic(
          "Max", infer, [](auto a, auto b) { return higher(a, b); }, as_is),
      variadic("Mean", infer_floating, add, mean),
      variadic(
          "Min", infer, [](auto a, auto b) { return lower(a, b); }, as_is),
      variadic("Sum", infer_floating, add, as_is),
  };
  return schemas;
}

}  // namespace halftone
