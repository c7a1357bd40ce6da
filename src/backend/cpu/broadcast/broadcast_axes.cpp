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

void BroadcastAxes::add(int64_t extent, const std::vector<int64_t>& step) {
  if (extent == 1) return;
  bool joins = rank > 0;
  for (size_t n = 0; joins && n < steps.size(); ++n)
    joins = steps[n][static_cast<size_t>(rank - 1)] == extent * step[n];
  if (!joins) extents[static_cast<size_t>(rank++)] = 1;
  const auto last = static_cast<size_t>(rank - 1);
  extents[last] *= extent;
  for (size_t n = 0; n < steps.size(); ++n) steps[n][last] = step[n];
}

BroadcastAxes broadcast_axes(const OpSite& site) {
  const Shape& out = site.outputs[0].shape;
  const Storage storage = site.storage_of_output(0);
  const Shape whole = stored_shape(out, storage);
  BroadcastAxes axes;
  axes.steps.resize(site.inputs.size());
  std::vector<Strides> strides;
  for (const SiteInput& input : site.inputs) strides.push_back(steps_of(input, out, storage));
  std::vector<int64_t> step(strides.size());
  for (int axis = 0; axis < whole.rank(); ++axis) {
    for (size_t n = 0; n < step.size(); ++n) step[n] = strides[n][static_cast<size_t>(axis)];
    axes.add(whole[axis], step);
  }
  if (axes.rank == 0) axes.extents[static_cast<size_t>(axes.rank++)] = 1;
  return axes;
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
