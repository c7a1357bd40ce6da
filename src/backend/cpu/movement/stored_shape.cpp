#include "backend/cpu/movement/stored_shape.h"

#include <algorithm>

namespace halftone::cpu {
namespace {

constexpr size_t kPieceBytes = size_t{64} << 10;

}  // namespace

Shape stored_shape(const Shape& shape, const Storage& storage) {
  if (storage.order == Storage::Order::planar) return shape;
  Shape stored = shape;
  for (int axis = 0; axis < shape.rank(); ++axis)
    stored[stored_axis(axis, shape.rank(), storage)] = shape[axis];
  return stored;
}

int stored_axis(int axis, int rank, const Storage& storage) {
  if (storage.order == Storage::Order::planar || axis == 0) return axis;
  return axis == 1 ? rank - 1 : axis - 1;
}

Refusal unlike_storage_refusal(const OpSite& site, size_t inputs) {
  const Storage storage = site.storage_of_output(0);
  for (size_t i = 0; i < inputs && i < site.inputs.size(); ++i) {
    const SiteInput& input = site.inputs[i];
    if (!input.present) continue;
    if (input.encoding) return fmt::format("input {} is encoded as {}", i, input.encoding->str());
    if (!(input.storage == storage)) return "values are stored in different ways";
  }
  for (size_t i = 1; i < site.outputs.size(); ++i)
    if (!(site.storage_of_output(i) == storage)) return "values are stored in different ways";
  return {};
}

AxisView axis_view(const Shape& stored, int axis, size_t element) {
  AxisView view;
  view.inner = element;
  for (int a = 0; a < axis; ++a) view.outer *= stored[a];
  view.size = stored[axis];
  for (int a = axis + 1; a < stored.rank(); ++a) view.inner *= static_cast<size_t>(stored[a]);
  return view;
}

int64_t bytes_grain(size_t item) {
  return static_cast<int64_t>(std::max<size_t>(1, kPieceBytes / std::max<size_t>(1, item)));
}

}  // namespace halftone::cpu
