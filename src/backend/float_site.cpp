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

}  // namespace halftone
