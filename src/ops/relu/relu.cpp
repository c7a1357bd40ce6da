#include "ops/relu/relu.h"

#include "ops/elementwise.h"

namespace halftone {

const OpSchema& relu_schema() {
  static const OpSchema schema = {
      .name = "Relu",
      .domain = "",
      .inputs = {{"X"}},
      .outputs = {"Y"},
      .infer =
          [](const OpSite& site) {
            const DType type = site.inputs[0].type.dtype;
            require(site, type != DType::boolean && type != DType::state, "no arithmetic on {}",
                    dtype_name(type));
            return infer_same(site);
          },
      .cost = elementwise_cost,
      .reference =
          [](const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
            const Tensor x = plain(inputs[0]);
            visit_number(x.dtype(), [&](auto zero) {
              using T = decltype(zero);
              const auto from = x.span<T>();
              const auto to = outputs[0].span<T>();
              for (size_t i = 0; i < from.size(); ++i) {
                const auto value = widen(from[i]);
                using Computed = std::remove_const_t<decltype(value)>;
                to[i] = narrow<T>(value < Computed{0} ? Computed{0} : value);
              }
            });
          },
  };
  return schema;
}

}  // namespace halftone
