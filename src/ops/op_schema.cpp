#include "ops/op_schema.h"

#include <array>

namespace halftone {

#define HALFTONE_OP(schema) const OpSchema& schema();
#include "ops/ops.inc"
#undef HALFTONE_OP

std::span<const OpSchema* const> op_schemas() {
  static const std::vector<const OpSchema*> schemas = {
#define HALFTONE_OP(schema) &schema(),
#include "ops/ops.inc"
#undef HALFTONE_OP
  };
  return schemas;
}

const OpSchema* find_op(std::string_view name) {
  for (const OpSchema* schema : op_schemas())
    if (schema->name == name) return schema;
  return nullptr;
}

Cost traffic(const OpSite& site) {
  auto bytes = [](const ValueType& type) {
    return static_cast<double>(type.shape.elements()) * static_cast<double>(dtype_bytes(type.dtype));
  };
  Cost cost;
  for (const SiteInput& input : site.inputs) {
    if (!input.present) continue;
    if (input.constant)
      cost.weight_bytes += input.constant->stored_bytes();
    else
      cost.activation_bytes += bytes(input.type);
  }
  for (const ValueType& output : site.outputs) cost.activation_bytes += bytes(output);
  return cost;
}

}  // namespace halftone
