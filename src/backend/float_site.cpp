#include "backend/float_site.h"

namespace halftone {

Refusal not_all_f32(const OpSite& site, size_t inputs) {
  for (size_t i = 0; i < inputs && i < site.inputs.size(); ++i) {
    const SiteInput& input = site.inputs[i];
    if (!input.present) continue;
    const std::string_view name = site.schema->inputs[i].name;
    if (input.encoding) return fmt::format("{} is encoded as {}", name, input.encoding->str());
    if (input.type.dtype != DType::f32)
      return fmt::format("{} is {}, not f32", name, dtype_name(input.type.dtype));
  }
  for (const ValueType& output : site.outputs)
    if (output.dtype != DType::f32 && output.dtype != DType::state)
      return fmt::format("the output is {}, not f32", dtype_name(output.dtype));
  return {};
}

Refusal mixed_order_refusal(const OpSite& site) {
  const Storage storage = site.storage_of_output(0);
  if (storage.codes) return "values are codes";
  for (const SiteInput& input : site.inputs)
    if (input.present && !input.constant && !(input.storage == storage))
      return "values are stored in two orders";
  for (size_t i = 1; i < site.outputs.size(); ++i)
    if (!(site.storage_of_output(i) == storage)) return "values are stored in two orders";
  return {};
}

Refusal not_last_axis(const OpSite& site) {
  const Shape& shape = site.input_shape(0);
  const int64_t axis = site.attributes->get_int("axis", -1);
  if (axis != -1 && axis != shape.rank() - 1) return fmt::format("axis {} is not the last", axis);
  if (site.input_shape(1) != Shape{shape.back()})
    return fmt::format("scale is {}", site.input_shape(1).str());
  return {};
}

Refusal rms_normalization_refusal(const OpSite& site) {
  const Refusal refusal = not_last_axis(site);
  return refusal.empty() ? not_all_f32(site, 2) : refusal;
}

Refusal skip_rms_normalization_refusal(const OpSite& site) {
  return not_all_f32(site, 3);
}

}  // namespace halftone
