#include "ops/op_schema.h"

#include <algorithm>

namespace halftone {

#define HALFTONE_OP(schema) const OpSchema& schema();
#define HALFTONE_OPS(schemas) std::span<const OpSchema> schemas();
#include "ops/ops.inc"
#undef HALFTONE_OP
#undef HALFTONE_OPS

std::span<const OpSchema* const> op_schemas() {
  static const std::vector<const OpSchema*> all = [] {
    std::vector<const OpSchema*> made;
#define HALFTONE_OP(schema) made.push_back(&schema());
#define HALFTONE_OPS(schemas) \
  for (const OpSchema& schema : schemas()) made.push_back(&schema);
#include "ops/ops.inc"
#undef HALFTONE_OP
#undef HALFTONE_OPS
    return made;
  }();
  return all;
}

const OpSchema* find_op(std::string_view name) {
  for (const OpSchema* schema : op_schemas())
    if (schema->name == name) return schema;
  return nullptr;
}

bool OpSite::all_plain() const {
  return std::all_of(inputs.begin(), inputs.end(), [](const SiteInput& i) { return i.storage.plain(); }) &&
         std::all_of(output_storage.begin(), output_storage.end(),
                     [](const Storage& s) { return s.plain(); });
}

bool OpSite::is_alias() const {
  if (!schema->alias || !(inputs[0].storage == storage_of_output(0))) return false;
  if (inputs[0].storage.order == Storage::Order::planar) return true;
  // Channels-last bytes stay where they are under shapes that join or part spatial axes alone.
  const Shape& from = inputs[0].type.shape;
  const Shape& to = outputs[0].shape;
  return from.rank() >= 2 && to.rank() >= 2 && from[0] == to[0] && from[1] == to[1];
}

void run_reference(const OpSite& site, std::span<const Operand> inputs,
                   std::span<const MutableTensorView> outputs) {
  if (site.all_plain()) return site.schema->reference(site, inputs, outputs);
  std::vector<Tensor> held;
  auto plain_copy = [&](DType dtype, const Shape& shape) {
    held.push_back(Tensor::allocate(dtype, shape));
    return held.back().mutable_view();
  };
  std::vector<Operand> plain_inputs(inputs.begin(), inputs.end());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const SiteInput& input = site.inputs[i];
    if (input.storage.plain()) continue;
    const MutableTensorView plain = plain_copy(input.type.dtype, input.type.shape);
    load_stored(inputs[i].tensor, input.storage, plain);
    plain_inputs[i].tensor = plain;
  }
  std::vector<MutableTensorView> plain_outputs(outputs.begin(), outputs.end());
  for (size_t i = 0; i < outputs.size(); ++i)
    if (!site.storage_of_output(i).plain())
      plain_outputs[i] = plain_copy(site.outputs[i].dtype, site.outputs[i].shape);
  site.schema->reference(site, plain_inputs, plain_outputs);
  for (size_t i = 0; i < outputs.size(); ++i)
    if (const Storage storage = site.storage_of_output(i); !storage.plain())
      store_plain(plain_outputs[i], storage, outputs[i]);
}

Cost traffic(const OpSite& site) {
  auto bytes = [](const ValueType& type, const Storage& storage) {
    return static_cast<double>(type.shape.elements()) *
           static_cast<double>(dtype_bytes(stored_dtype(type.dtype, storage)));
  };
  Cost cost;
  for (const SiteInput& input : site.inputs) {
    if (!input.present) continue;
    if (input.constant)
      cost.weight_bytes += input.constant->stored_bytes();
    else
      cost.activation_bytes += bytes(input.type, input.storage);
  }
  for (size_t i = 0; i < site.outputs.size(); ++i)
    cost.activation_bytes += bytes(site.outputs[i], site.storage_of_output(i));
  return cost;
}

}  // namespace halftone
