#include "ops/movement.h"

#include <cstring>

#include "ops/elementwise.h"

namespace halftone {

std::optional<std::vector<int64_t>> constant_ints(const OpSite& site, size_t input) {
  if (!site.has_input(input)) return std::nullopt;
  const Constant* constant = site.inputs[input].constant;
  const std::string_view name = site.schema->inputs[input].name;
  if (!constant)
    throw UnsupportedError("{} ({}): input {} is computed at run time; only constants are handled", site.name,
                           site.schema->name, name);
  require(site, constant->shape().rank() <= 1, "input {}: expected a vector, found shape {}", name,
          constant->shape().str());
  const Tensor tensor = constant->load();
  std::vector<int64_t> values;
  if (tensor.dtype() == DType::i64)
    values.assign(tensor.span<int64_t>().begin(), tensor.span<int64_t>().end());
  else if (tensor.dtype() == DType::i32)
    values.assign(tensor.span<int32_t>().begin(), tensor.span<int32_t>().end());
  else
    require(site, false, "input {}: expected i64 or i32, found {}", name, dtype_name(tensor.dtype()));
  return values;
}

int checked_axis(const OpSite& site, int64_t axis, int rank) {
  require(site, -rank <= axis && axis < rank, "axis {} of a tensor of {} dimensions", axis, rank);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

int axis_attribute(const OpSite& site, std::string_view name, int64_t fallback, int rank) {
  return checked_axis(site, site.attributes->get_int(name, fallback), rank);
}

void copy_element(std::byte* to, int64_t i, const std::byte* from, int64_t j, size_t size) {
  std::memcpy(to + static_cast<size_t>(i) * size, from + static_cast<size_t>(j) * size, size);
}

void copy_reference(const OpSite&, std::span<const Operand> inputs,
                    std::span<const MutableTensorView> outputs) {
  const Tensor from = plain(inputs[0]);
  if (from.size_bytes() > 0) std::memcpy(outputs[0].data, from.view().data, from.size_bytes());
}

}  // namespace halftone
