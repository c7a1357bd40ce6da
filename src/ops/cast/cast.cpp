#include "ops/cast/cast.h"

#include "ops/elementwise.h"
#include "ops/onnx_type.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const int64_t to = site.attributes->get_int("to", 0);
  require(site, site.inputs[0].type.dtype != DType::state, "a state has no elements");
  if (const auto dtype = dtype_from_onnx(to)) return {{*dtype, site.input_shape(0)}};
  throw UnsupportedError("{} (Cast): elements of {}", site.name, onnx_type_name(to));
}

void reference(const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
  const Tensor from = plain(inputs[0]);
  visit_element(from.dtype(), [&](auto from_zero) {
    using From = decltype(from_zero);
    visit_element(outputs[0].dtype, [&](auto to_zero) {
      using To = decltype(to_zero);
      const auto source = from.span<From>();
      const auto target = outputs[0].span<To>();
      for (size_t i = 0; i < source.size(); ++i) target[i] = to_number<To>(source[i]);
    });
  });
}

}  // namespace

const OpSchema& cast_schema() {
  static const OpSchema schema = {
      .name = "Cast",
      .domain = "",
      .inputs = {{"input"}},
      .outputs = {"output"},
      .infer = infer,
      .cost = elementwise_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
