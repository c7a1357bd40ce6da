#include "ops/pow/pow.h"

#include "ops/elementwise.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  require_number(site, 0);
  require_number(site, 1);
  return {{site.inputs[0].type.dtype, broadcast_shapes(site, site.input_shape(0), site.input_shape(1))}};
}

/// By squaring, modulo 2^64.
uint64_t integer_power(uint64_t base, uint64_t exponent) {
  uint64_t power = 1;
  for (; exponent > 0; exponent >>= 1, base *= base)
    if (exponent & 1) power *= base;
  return power;
}

template <class T, class E>
T power(T base, E exponent) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(std::pow(base, static_cast<T>(exponent)));
  } else if constexpr (std::is_integral_v<E>) {
    if (std::is_signed_v<E> && exponent < E{0}) {
      if (base == T{1}) return 1;
      return std::is_signed_v<T> && base == static_cast<T>(-1) ? static_cast<T>(exponent % 2 ? -1 : 1) : T{0};
    }
    return static_cast<T>(integer_power(static_cast<uint64_t>(base), static_cast<uint64_t>(exponent)));
  } else {
    return to_number<T>(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
}

void reference(const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
  const Tensor x = plain(inputs[0]);
  const Tensor y = plain(inputs[1]);
  const MutableTensorView& z = outputs[0];
  const std::array strides{broadcast_strides(x.shape(), z.shape), broadcast_strides(y.shape(), z.shape)};
  visit_number(x.dtype(), [&](auto x_zero) {
    visit_number(y.dtype(), [&](auto y_zero) {
      using X = decltype(x_zero);
      using Y = decltype(y_zero);
      walk<2>(z.shape, strides, [&](int64_t i, const std::array<int64_t, 2>& at) {
        z.span<X>()[static_cast<size_t>(i)] = narrow<X>(power(
            widen(x.span<X>()[static_cast<size_t>(at[0])]), widen(y.span<Y>()[static_cast<size_t>(at[1])])));
      });
    });
  });
}

}  // namespace

const OpSchema& pow_schema() {
  static const OpSchema schema = {
      .name = "Pow",
      .domain = "",
      .inputs = {{"X"}, {"Y"}},
      .outputs = {"Z"},
      .infer = infer,
      .cost = elementwise_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
