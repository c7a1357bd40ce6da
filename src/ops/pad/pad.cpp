#include "ops/pad/pad.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/movement.h"

namespace halftone {
namespace {

enum class Mode { constant, edge, reflect, wrap };

Mode mode_named(const std::string& mode) {
  return mode == "constant" ? Mode::constant
         : mode == "edge"   ? Mode::edge
         : mode == "wrap"   ? Mode::wrap
                            : Mode::reflect;
}

Mode mode_of(const OpSite& site) {
  const std::string mode = site.attributes->get_string("mode", "constant");
  require(site, mode == "constant" || mode == "edge" || mode == "reflect" || mode == "wrap",
          "attribute mode: expected constant, edge, reflect or wrap, found \"{}\"", mode);
  return mode_named(mode);
}

/// Pads longer than this come from no model and would overflow sums.
constexpr int64_t kLongestPad = int64_t{1} << 40;

}  // namespace

std::optional<std::vector<Padding>> padding_of(const OpSite& site) {
  const int rank = site.input_shape(0).rank();
  const auto pads = known_ints(site, 1);
  const auto axes = known_ints(site, 3);
  if (!pads || (site.has_input(3) && !axes)) return std::nullopt;
  const size_t count = axes ? axes->size() : static_cast<size_t>(rank);
  require(site, pads->size() == 2 * count, "pads has {} entries, expected {}", pads->size(), 2 * count);
  std::vector<Padding> padding(static_cast<size_t>(rank));
  for (size_t i = 0; i < count; ++i) {
    const int axis = checked_axis(site, axes ? (*axes)[i] : static_cast<int64_t>(i), rank);
    const Padding pad{(*pads)[i], (*pads)[i + count]};
    for (int64_t elements : {pad.before, pad.behind})
      require(site, -kLongestPad <= elements && elements <= kLongestPad, "pads: found {}", elements);
    padding[static_cast<size_t>(axis)] = pad;
  }
  return padding;
}

namespace {

void check_fill(const OpSite& site) {
  if (!site.has_input(2)) return;
  const ValueType& fill = site.inputs[2].type;
  require(site, fill.dtype == site.inputs[0].type.dtype && fill.shape.checked_elements().value_or(1) == 1,
          "constant_value: expected one {}, found {} {}", dtype_name(site.inputs[0].type.dtype),
          dtype_name(fill.dtype), fill.shape.str());
}

std::vector<ValueType> infer(const OpSite& site) {
  ValueType out = site.inputs[0].type;
  check_fill(site);
  const Mode mode = mode_of(site);
  const auto padding = padding_of(site);
  if (!padding) return {{out.dtype, unknown_shape(out.shape.rank())}};
  for (int axis = 0; axis < out.shape.rank(); ++axis) {
    const Padding& pad = (*padding)[static_cast<size_t>(axis)];
    int64_t& dim = out.shape[axis];
    if (pad.before == 0 && pad.behind == 0) continue;
    if (dim < 0) {
      dim = Shape::kUnknownDim;
      continue;
    }
    const auto front = checked_add(dim, pad.before);
    const auto size = front ? checked_add(*front, pad.behind) : std::nullopt;
    require(site, size && *size >= 0, "pads {} and {} on axis {} of size {}", pad.before, pad.behind, axis,
            dim);
    require(site, mode == Mode::constant || dim > 0 || *size == 0, "axis {} is empty: nothing to repeat",
            axis);
    dim = *size;
  }
  return {out};
}

/// Where the element at `i` (negative: before the first) of an axis of `size` comes from; -1: nowhere.
int64_t source_index(Mode mode, int64_t i, int64_t size) {
  if (i >= 0 && i < size) return i;
  switch (mode) {
    case Mode::constant:
      return -1;
    case Mode::edge:
      return std::clamp<int64_t>(i, 0, size - 1);
    case Mode::wrap:
      return (i % size + size) % size;
    case Mode::reflect:
      break;
  }
  const int64_t period = 2 * (size - 1);
  if (period == 0) return 0;
  const int64_t phase = (i % period + period) % period;
  return phase < size ? phase : period - phase;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor from = plain(inputs[0]);
  const Mode mode = mode_of(site);
  const auto padding = padding_of(site);
  const Strides strides = row_major_strides(from.shape());
  const size_t size = dtype_bytes(from.dtype());
  std::array<std::byte, 8> fill{};
  if (site.has_input(2)) std::memcpy(fill.data(), inputs[2].tensor.data, size);
  for_each_index(outputs[0].shape, [&](int64_t i, const Index& index) {
    int64_t at = 0;
    bool inside = true;
    for (int axis = 0; axis < from.shape().rank() && inside; ++axis) {
      const auto a = static_cast<size_t>(axis);
      const int64_t source = source_index(mode, index[a] - (*padding)[a].before, from.shape()[axis]);
      inside = source >= 0;
      at += source * strides[a];
    }
    copy_element(outputs[0].data, i, inside ? from.view().data : fill.data(), inside ? at : 0, size);
  });
}

}  // namespace

int64_t padded_source(const std::string& mode, int64_t i, int64_t size) {
  return source_index(mode_named(mode), i, size);
}

const OpSchema& pad_schema() {
  static const OpSchema schema = {
      .name = "Pad",
      .domain = "",
      .inputs = {{"data"}, {"pads"}, {"constant_value", true}, {"axes", true}},
      .outputs = {"output"},
      .infer = infer,
      .cost = movement_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
