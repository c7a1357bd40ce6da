#include "ops/arithmetic/arithmetic.h"

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

/// With the sign of a.
template <class T>
T truncated_remainder(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return std::fmod(a, b);
  else if constexpr (std::is_signed_v<T>)
    return b == 0 || b == -1 ? T{0} : static_cast<T>(a % b);
  else
    return b == 0 ? T{0} : static_cast<T>(a % b);
}

/// With the sign of b.
template <class T>
T floored_remainder(T a, T b) {
  const T rest = truncated_remainder(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? static_cast<T>(rest + b) : rest;
}

std::vector<ValueType> infer_mod(const OpSite& site) {
  const bool fmod = site.attributes->get_int("fmod", 0) != 0;
  require(site, fmod || !is_float(site.inputs[0].type.dtype),
          "floating-point inputs need attribute fmod = 1");
  return infer_arithmetic(site);
}

void mod_reference(const OpSite& site, std::span<const Operand> inputs,
                   std::span<const MutableTensorView> outputs) {
  if (site.attributes->get_int("fmod", 0) != 0)
    map_pairs(inputs, outputs, [](auto a, auto b) { return truncated_remainder(a, b); });
  else
    map_pairs(inputs, outputs, [](auto a, auto b) { return floored_remainder(a, b); });
}

using Reference = decltype(OpSchema::reference);

template <class F>
Reference pairwise(F) {
  return [](const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
    map_pairs(inputs, outputs, F{});
  };
}
template <class F>
Reference wrapping_pairwise(F) {
  return pairwise([](auto a, auto b) { return wrapping(a, b, F{}); });
}

OpSchema arithmetic(std::string_view name, Reference reference,
                    decltype(OpSchema::infer) infer = infer_arithmetic) {
  return {.name = name,
          .domain = "",
          .inputs = {{"A"}, {"B"}},
          .outputs = {"C"},
          .infer = infer,
          .cost = elementwise_cost,
          .reference = reference};
}

}  // namespace

std::span<const OpSchema> arithmetic_schemas() {
  static const OpSchema schemas[] = {
      arithmetic("Add", wrapping_pairwise([](auto a, auto b) { return a + b; })),
      arithmetic("Div", pairwise([](auto a, auto b) { return quotient(a, b); })),
      arithmetic("Mod", mod_reference, infer_mod),
      arithmetic("Mul", wrapping_pairwise([](auto a, auto b) { return a * b; })),
      arithmetic("Sub", wrapping_pairwise([](auto a, auto b) { return a - b; })),
  };
  return schemas;
}

}  // namespace halftone
