#include "ops/clip/clip.h"

#include "ops/elementwise.h"

namespace halftone {
namespace {

enum Input : size_t { kInput, kMin, kMax };

std::vector<ValueType> infer(const OpSite& site) {
  require_number(site, kInput);
  const DType type = site.inputs[kInput].type.dtype;
  for (size_t i : {kMin, kMax}) {
    if (!site.has_input(i)) continue;
    const ValueType& bound = site.inputs[i].type;
    const bool scalar = bound.shape.rank() == 0 || (bound.shape.rank() == 1 && bound.shape[0] == 1);
    require(site, bound.dtype == type && scalar, "{}: expected one {}, found {} {}",
            site.schema->inputs[i].name, dtype_name(type), dtype_name(bound.dtype), bound.shape.str());
  }
  return infer_same(site);
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  visit_number(outputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    using Wide = decltype(widen(zero));
    auto bound = [&](size_t input) -> std::optional<Wide> {
      if (!site.has_input(input)) return std::nullopt;
      return widen(plain(inputs[input]).span<T>()[0]);
    };
    const auto low = bound(kMin), high = bound(kMax);
    map_numbers(inputs, outputs, [&](auto x) {
      if constexpr (std::is_same_v<decltype(x), Wide>) {
        if (low && x < *low) x = *low;
        if (high && x > *high) x = *high;
      }
      return x;
    });
  });
}

}  // namespace

const OpSchema& clip_schema() {
  static const OpSchema schema = {
      .name = "Clip",
      .domain = "",
      .inputs = {{"input"}, {"min", true}, {"max", true}},
      .outputs = {"output"},
      .infer = infer,
      .cost = elementwise_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
