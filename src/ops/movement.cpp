#include "ops/movement.h"

#include <cstring>

#include "ops/elementwise.h"

namespace halftone {

std::optional<Tensor> known_value(const OpSite& site, size_t input) {
  if (!site.has_input(input)) return std::nullopt;
  if (const Constant* constant = site.inputs[input].constant) return constant->load();
  if (const TensorView* known = site.inputs[input].known) return Tensor::view_of(nullptr, *known);
  return std::nullopt;
}

std::optional<std::vector<int64_t>> known_ints(const OpSite& site, size_t input) {
  if (!site.has_input(input)) return std::nullopt;
  const ValueType& type = site.inputs[input].type;
  const std::string_view name = site.schema->inputs[input].name;
  require(site, type.shape.rank() <= 1, "input {}: expected a vector, found shape {}", name,
          type.shape.str());
  require(site, type.dtype == DType::i64 || type.dtype == DType::i32,
          "input {}: expected i64 or i32, found {}", name, dtype_name(type.dtype));
  const auto tensor = known_value(site, input);
  if (!tensor) return std::nullopt;
  if (type.dtype == DType::i64)
    return std::vector<int64_t>(tensor->span<int64_t>().begin(), tensor->span<int64_t>().end());
  return std::vector<int64_t>(tensor->span<int32_t>().begin(), tensor->span<int32_t>().end());
}

int known_length(const OpSite& site, size_t input) {
  const Shape& shape = site.input_shape(input);
  const std::string_view name = site.schema->inputs[input].name;
  require(site, shape.rank() == 1, "input {}: expected a vector, found shape {}", name, shape.str());
  if (shape[0] < 0)
    throw UnsupportedError(
        "{} ({}): the length of input {}, and so the number of dimensions, depends on data", site.name,
        site.schema->name, name);
  require(site, shape[0] <= Shape::kMaxRank, "input {}: {} dimensions, at most {} are handled", name,
          shape[0], Shape::kMaxRank);
  return static_cast<int>(shape[0]);
}

Shape unknown_shape(int rank) {
  Shape shape;
  for (int axis = 0; axis < rank; ++axis) shape.push_back(Shape::kUnknownDim);
  return shape;
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
