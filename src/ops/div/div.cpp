#include "ops/div/div.h"

#include "ops/elementwise.h"

namespace halftone {
namespace {

template <class T>
T quotient(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    if (b == 0) return 0;
    if constexpr (std::is_signed_v<T>)
      if (b == -1)
        return static_cast<T>(0 - static_cast<uint64_t>(a));  // the smallest number has no negative
  }
  return static_cast<T>(a / b);
}

}  // namespace

const OpSchema& div_schema() {
  static const OpSchema schema = {
      .name = "Div",
      .domain = "",
      .inputs = {{"A"}, {"B"}},
      .outputs = {"C"},
      .infer = infer_arithmetic,
      .cost = elementwise_cost,
      .reference =
          [](const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
            map_pairs(inputs, outputs, [](auto a, auto b) { return quotient(a, b); });
          },
  };
  return schema;
}

}  // namespace halftone
