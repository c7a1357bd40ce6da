#include "ops/slice/slice.h"

#include <algorithm>
#include <limits>

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

struct Cut {
  int axis;
  int64_t start, end, step;
};

/// Nothing while one of the inputs that say where to cut is unknown.
std::optional<std::vector<Cut>> cuts_of(const OpSite& site) {
  const auto starts = known_ints(site, 1);
  const auto ends = known_ints(site, 2);
  const auto axes = known_ints(site, 3);
  const auto steps = known_ints(site, 4);
  require(site, site.has_input(1) && site.has_input(2), "starts or ends is missing");
  if (!starts || !ends || (!axes && site.has_input(3)) || (!steps && site.has_input(4))) return std::nullopt;
  require(site, starts->size() == ends->size(), "starts and ends differ in length");
  require(site, !axes || axes->size() == starts->size(), "axes has {} entries, starts {}", axes->size(),
          starts->size());
  require(site, !steps || steps->size() == starts->size(), "steps has {} entries, starts {}", steps->size(),
          starts->size());
  std::vector<Cut> cuts;
  for (size_t i = 0; i < starts->size(); ++i) {
    const int axis =
        checked_axis(site, axes ? (*axes)[i] : static_cast<int64_t>(i), site.input_shape(0).rank());
    for (const Cut& other : cuts) require(site, other.axis != axis, "axes names axis {} twice", axis);
    cuts.push_back({axis, (*starts)[i], (*ends)[i], steps ? (*steps)[i] : 1});
    require(site, cuts.back().step != 0 && cuts.back().step != std::numeric_limits<int64_t>::min(),
            "steps: found {}", cuts.back().step);
  }
  return cuts;
}

/// Start and end within an axis of `size`, and how many elements that leaves. ONNX puts a start beyond either
/// end at that end (numpy has nothing left where one before the first element walks backwards).
struct Run {
  int64_t start, count;
};
Run run_of(const Cut& cut, int64_t size) {
  auto from_front = [size](int64_t i) { return i < 0 ? std::max<int64_t>(i, -size - 1) + size : i; };
  if (cut.step > 0) {
    const int64_t start = std::clamp<int64_t>(from_front(cut.start), 0, size);
    const int64_t end = std::clamp<int64_t>(from_front(cut.end), 0, size);
    return {start, end > start ? (end - start - 1) / cut.step + 1 : 0};
  }
  if (size == 0) return {0, 0};
  const int64_t start = std::clamp<int64_t>(from_front(cut.start), 0, size - 1);
  const int64_t end = std::clamp<int64_t>(from_front(cut.end), -1, size - 1);
  return {start, start > end ? (start - end - 1) / -cut.step + 1 : 0};
}

/// The axes cut are of unknown size; which those are is often known when where to cut is not.
Shape shape_of_unknown_cuts(const OpSite& site) {
  Shape shape = site.input_shape(0);
  const auto axes = known_ints(site, 3);
  const bool named = site.has_input(3);
  const int64_t leading = site.input_shape(1).rank() == 1 ? site.input_shape(1)[0] : Shape::kUnknownDim;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const bool kept =
        named ? axes && std::none_of(axes->begin(), axes->end(),
                                     [&](int64_t a) { return a == axis || a + shape.rank() == axis; })
              : leading >= 0 && axis >= leading;
    if (!kept) shape[axis] = Shape::kUnknownDim;
  }
  return shape;
}

std::vector<ValueType> infer(const OpSite& site) {
  ValueType out = site.inputs[0].type;
  const auto cuts = cuts_of(site);
  if (!cuts) return {{out.dtype, shape_of_unknown_cuts(site)}};
  for (const Cut& cut : *cuts) {
    const int64_t size = out.shape[cut.axis];
    const bool whole = cut.start == 0 && cut.end >= std::numeric_limits<int32_t>::max() && cut.step == 1;
    if (size >= 0)
      out.shape[cut.axis] = run_of(cut, size).count;
    else if (!whole)
      out.shape[cut.axis] = Shape::kUnknownDim;
  }
  return {out};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor from = plain(inputs[0]);
  Strides strides = row_major_strides(from.shape());
  int64_t first = 0;
  const auto cuts = cuts_of(site);
  for (const Cut& cut : *cuts) {
    const Run run = run_of(cut, from.shape()[cut.axis]);
    int64_t& stride = strides[static_cast<size_t>(cut.axis)];
    if (run.count == 0) return;
    first += run.start * stride;
    stride = run.count > 1 ? stride * cut.step : 0;
  }
  const size_t size = dtype_bytes(from.dtype());
  walk<1>(outputs[0].shape, {strides}, [&](int64_t i, const std::array<int64_t, 1>& at) {
    copy_element(outputs[0].data, i, from.view().data, first + at[0], size);
  });
}

}  // namespace

const OpSchema& slice_schema() {
  static const OpSchema schema = {
      .name = "Slice",
      .domain = "",
      .inputs = {{"data"}, {"starts"}, {"ends"}, {"axes", true}, {"steps", true}},
      .outputs = {"output"},
      .infer = infer,
      .cost = movement_cost,
      .reference = reference,
  };
  return schema;
}

std::vector<SliceAxis> slice_axes(const OpSite& site) {
  const Shape& shape = site.input_shape(0);
  std::vector<SliceAxis> axes;
  for (int64_t size : shape) axes.push_back({0, 1, size});
  const auto cuts = cuts_of(site);
  for (const Cut& cut : *cuts) {
    const Run run = run_of(cut, shape[cut.axis]);
    axes[static_cast<size_t>(cut.axis)] = {run.start, cut.step, run.count};
  }
  return axes;
}

}  // namespace halftone
