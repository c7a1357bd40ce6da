#include "backend/cpu/broadcast/broadcast_axes.h"

#include "backend/cpu/movement/stored_shape.h"

namespace halftone::cpu {
namespace {

/// Steps of an input along the dimensions of the output, by where these lie.
Strides steps_of(const SiteInput& input, const Shape& out, const Storage& out_storage) {
  const Shape& shape = input.type.shape;
  const Strides lying = row_major_strides(stored_shape(shape, input.storage));
  Strides steps{};
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1) continue;
    const int to = stored_axis(axis + out.rank() - shape.rank(), out.rank(), out_storage);
    steps[static_cast<size_t>(to)] =
        lying[static_cast<size_t>(stored_axis(axis, shape.rank(), input.storage))];
  }
  return steps;
}

}  // namespace

BroadcastAxes broadcast_axes(std::span<const SiteInput> inputs, const Shape& out,
                             const Storage& out_storage) {
  const Shape whole = stored_shape(out, out_storage);
  std::array<Strides, 3> strides;
  for (size_t n = 0; n < inputs.size(); ++n) strides[n] = steps_of(inputs[n], out, out_storage);
  BroadcastAxes axes;
  for (int axis = 0; axis < whole.rank(); ++axis) {
    const int64_t extent = whole[axis];
    if (extent == 1) continue;
    const auto at = static_cast<size_t>(axis);
    bool joins = axes.rank > 0;
    for (size_t n = 0; joins && n < inputs.size(); ++n)
      joins = axes.steps[n][static_cast<size_t>(axes.rank - 1)] == extent * strides[n][at];
    if (!joins) axes.extents[static_cast<size_t>(axes.rank++)] = 1;
    const auto last = static_cast<size_t>(axes.rank - 1);
    axes.extents[last] *= extent;
    for (size_t n = 0; n < inputs.size(); ++n) axes.steps[n][last] = strides[n][at];
  }
  if (axes.rank == 0) axes.extents[static_cast<size_t>(axes.rank++)] = 1;
  return axes;
}

BroadcastAxes broadcast_axes(const OpSite& site) {
  return broadcast_axes(site.inputs, site.outputs[0].shape, site.storage_of_output(0));
}

Refusal broadcast_refusal(const OpSite& site) {
  if (site.storage_of_output(0).codes) return "values are codes";
  for (size_t i = 0; i < site.inputs.size(); ++i) {
    const SiteInput& input = site.inputs[i];
    if (input.storage.codes) return "values are codes";
    const std::string_view name = site.schema->inputs[std::min(i, site.schema->inputs.size() - 1)].name;
    if (input.encoding) return fmt::format("{} is encoded as {}", name, input.encoding->str());
  }
  return {};
}

}  // namespace halftone::cpu
