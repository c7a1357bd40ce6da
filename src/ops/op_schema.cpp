#include "ops/op_schema.h"

#include <algorithm>

#include "ops/integer_meaning.h"
#include "ops/registered.h"

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

namespace {

std::vector<const OpSchema*>& registered_ops() {
  static std::vector<const OpSchema*> registered;
  return registered;
}

}  // namespace

void register_op(const OpSchema& schema) {
  registered_ops().push_back(&schema);
}

const OpSchema* find_op(std::string_view name) {
  for (const OpSchema* schema : op_schemas())
    if (schema->name == name) return schema;
  for (const OpSchema* schema : registered_ops())
    if (schema->name == name) return schema;
  return nullptr;
}

bool OpSite::all_plain() const {
  return std::all_of(inputs.begin(), inputs.end(), [](const SiteInput& i) { return i.storage.plain(); }) &&
         std::all_of(output_storage.begin(), output_storage.end(),
                     [](const Storage& s) { return s.plain(); });
}

bool OpSite::any_wide() const {
  return std::ranges::any_of(inputs, [](const SiteInput& i) { return i.storage.wide(); }) ||
         std::ranges::any_of(output_storage, [](const Storage& s) { return s.wide(); });
}

bool OpSite::is_alias() const {
  if (!schema->alias || !(inputs[0].storage == storage_of_output(0))) return false;
  if (inputs[0].storage.order == Storage::Order::planar) return true;
  // Channels-last bytes stay where they are under shapes that join or part spatial axes alone.
  const Shape& from = inputs[0].type.shape;
  const Shape& to = outputs[0].shape;
  return from.rank() >= 2 && to.rank() >= 2 && from[0] == to[0] && from[1] == to[1];
}

namespace {

/// Runs `reference` on copies of the operands from which what `convert` leaves of their storage is gone.
template <class Reference>
void run_converted(const OpSite& site, std::span<const Operand> inputs,
                   std::span<const MutableTensorView> outputs, Storage (*convert)(Storage),
                   Reference reference) {
  std::vector<Tensor> held;
  auto copy_for = [&](DType dtype, const Shape& shape) {
    held.push_back(Tensor::allocate(dtype, shape));
    return held.back().mutable_view();
  };
  std::vector<Operand> converted(inputs.begin(), inputs.end());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Storage storage = convert(site.inputs[i].storage);
    if (storage.plain()) continue;
    const DType dtype = storage.codes ? site.inputs[i].type.dtype : inputs[i].tensor.dtype;
    const MutableTensorView copy = copy_for(dtype, site.inputs[i].type.shape);
    load_stored(inputs[i].tensor, storage, copy);
    converted[i].tensor = copy;
  }
  std::vector<MutableTensorView> made(outputs.begin(), outputs.end());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Storage storage = convert(site.storage_of_output(i));
    if (storage.plain()) continue;
    const DType dtype = storage.codes ? site.outputs[i].dtype : outputs[i].dtype;
    made[i] = copy_for(dtype, site.outputs[i].shape);
  }
  reference(site, std::span<const Operand>(converted), std::span<const MutableTensorView>(made));
  for (size_t i = 0; i < outputs.size(); ++i)
    if (const Storage storage = convert(site.storage_of_output(i)); !storage.plain())
      store_plain(made[i], storage, outputs[i]);
}

}  // namespace

void run_reference(const OpSite& site, std::span<const Operand> inputs,
                   std::span<const MutableTensorView> outputs) {
  if (site.all_plain()) return site.schema->reference(site, inputs, outputs);
  if (const IntegerMeaning* integer = integer_meaning(site))
    return run_converted(
        site, inputs, outputs,
        [](Storage storage) {
          return Storage{storage.order, {}};
        },
        integer->reference);
  run_converted(
      site, inputs, outputs, [](Storage storage) { return storage; }, site.schema->reference);
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
