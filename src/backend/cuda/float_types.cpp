#include "backend/cuda/float_types.h"

#include <algorithm>

#include "core/short_floats.h"

namespace halftone::cuda {

Refusal not_one_float(const OpSite& site, size_t inputs) {
  const DType wanted = site.inputs[0].type.dtype;
  if (!is_f32_or_short(wanted)) return fmt::format("{} elements", dtype_name(wanted));
  for (size_t i = 0; i < inputs && i < site.inputs.size(); ++i) {
    const SiteInput& input = site.inputs[i];
    if (!input.present) continue;
    const std::string_view name = site.schema->inputs[std::min(i, site.schema->inputs.size() - 1)].name;
    if (input.encoding) return fmt::format("{} is encoded as {}", name, input.encoding->str());
    if (input.type.dtype != wanted)
      return fmt::format("{} is {}, not {}", name, dtype_name(input.type.dtype), dtype_name(wanted));
  }
  for (const ValueType& output : site.outputs)
    if (output.dtype != wanted && output.dtype != DType::state)
      return fmt::format("the output is {}, not {}", dtype_name(output.dtype), dtype_name(wanted));
  return {};
}

}  // namespace halftone::cuda
