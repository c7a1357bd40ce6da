#include "ops/elementwise.h"
#include "ops/maps/maps.h"

namespace halftone {
namespace {

template <class T>
T negative(T x) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(0 - static_cast<uint64_t>(x));
  else
    return -x;
}

std::vector<ValueType> infer(const OpSite& site) {
  require_number(site, 0);
  return infer_same(site);
}

template <class F>
OpSchema number_map(std::string_view name, F) {
  return {.name = name,
          .domain = "",
          .inputs = {{"X"}},
          .outputs = {"Y"},
          .infer = infer,
          .cost = elementwise_cost,
          .reference = [](const OpSite&, std::span<const Operand> inputs,
                          std::span<const MutableTensorView> outputs) { map_numbers(inputs, outputs, F{}); }};
}

}  // namespace

std::span<const OpSchema> number_map_schemas() {
  static const OpSchema schemas[] = {
      number_map("Abs",
                 [](auto x) {
                   if constexpr (std::is_floating_point_v<decltype(x)>)
                     return std::fabs(x);  // of -0 too
                   else
                     return x < decltype(x){0} ? negative(x) : x;
                 }),
      number_map("Neg", [](auto x) { return negative(x); }),
      number_map("Relu", [](auto x) { return x < decltype(x){0} ? decltype(x){0} : x; }),
      number_map("Sign",
                 [](auto x) {
                   using T = decltype(x);
                   return x > T{0} ? T{1} : x < T{0} ? negative(T{1}) : x;
                 }),
  };
  return schemas;
}

}  // namespace halftone
