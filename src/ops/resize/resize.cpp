#include "ops/resize/resize.h"

#include <algorithm>

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

constexpr size_t kAbsent = SIZE_MAX;
struct Places {
  size_t roi, scales, sizes;
};
Places places_of(const OpSite& site) {
  const bool upsample = site.schema->name == "Upsample";
  auto given = [&](size_t input) {
    const bool present = site.has_input(input) && site.input_shape(input) != Shape{0};
    return present ? input : kAbsent;
  };
  if (upsample) return {kAbsent, given(1), kAbsent};
  return {given(1), given(2), given(3)};
}

/// The axes that change, in the order of scales and sizes.
std::vector<int> changed_axes(const OpSite& site) {
  const int rank = site.input_shape(0).rank();
  std::vector<int> axes;
  if (site.attributes->has("axes"))
    for (int64_t axis : site.attributes->get_ints("axes", {})) axes.push_back(checked_axis(site, axis, rank));
  else
    for (int axis = 0; axis < rank; ++axis) axes.push_back(axis);
  return axes;
}

std::vector<double> known_floats(const OpSite& site, size_t input, size_t count) {
  const Tensor tensor = *known_value(site, input);
  require(site, is_float(tensor.dtype()) && tensor.shape() == Shape{static_cast<int64_t>(count)},
          "{}: expected {} floating elements, found {} {}", site.schema->inputs[input].name, count,
          dtype_name(tensor.dtype()), tensor.shape().str());
  const Tensor floats = to_f32(tensor);
  return {floats.span<float>().begin(), floats.span<float>().end()};
}

/// A size that an absurd scale cannot make overflow what follows.
int64_t checked_size(const OpSite& site, double size) {
  require(site, size >= 0 && size < 0x1p31, "an axis of {} elements", size);
  return static_cast<int64_t>(size);
}

void resize_to_sizes(const OpSite& site, std::span<const int64_t> sizes, std::span<const int> axes,
                     std::vector<ResizeAxis>& all) {
  require(site, sizes.size() == axes.size(), "sizes: expected {} elements, found {}", axes.size(),
          sizes.size());
  const std::string policy = site.attributes->get_string("keep_aspect_ratio_policy", "stretch");
  std::vector<double> scales;
  for (size_t i = 0; i < axes.size(); ++i) {
    ResizeAxis& axis = all[static_cast<size_t>(axes[i])];
    axis.out = checked_size(site, static_cast<double>(sizes[i]));
    axis.scale = static_cast<double>(sizes[i]) / static_cast<double>(axis.in);
    scales.push_back(axis.scale);
  }
  if (policy == "stretch" || axes.empty()) return;
  const auto [least, most] = std::minmax_element(scales.begin(), scales.end());
  const double scale = policy == "not_larger" ? *least : *most;
  for (int a : axes) {
    ResizeAxis& axis = all[static_cast<size_t>(a)];
    axis.scale = scale;
    axis.out = checked_size(site, scale * static_cast<double>(axis.in) + 0.5);
  }
}

void check_attribute(const OpSite& site, std::string_view name,
                     std::initializer_list<std::string_view> values) {
  const std::string found = site.attributes->get_string(name, std::string(*values.begin()));
  require(site, std::find(values.begin(), values.end(), found) != values.end(), "attribute {}: found \"{}\"",
          name, found);
}

void check_attributes(const OpSite& site) {
  check_attribute(site, "mode", {"nearest", "linear", "cubic"});
  check_attribute(site, "nearest_mode", {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"});
  check_attribute(site, "keep_aspect_ratio_policy", {"stretch", "not_larger", "not_smaller"});
  check_attribute(site, "coordinate_transformation_mode",
                  {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
                   "tf_crop_and_resize"});
}

std::vector<ValueType> infer(const OpSite& site) {
  require_number(site, 0);
  check_attributes(site);
  const Places places = places_of(site);
  require(site, (places.scales == kAbsent) != (places.sizes == kAbsent), "expected either scales or sizes");
  ValueType out = site.inputs[0].type;
  const std::vector<int> changed = changed_axes(site);
  const auto axes = resize_axes(site);
  for (int axis : changed)
    out.shape[axis] = axes ? (*axes)[static_cast<size_t>(axis)].out : Shape::kUnknownDim;
  return {out};
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  const std::string mode = site.attributes->get_string("mode", "nearest");
  const double taps = mode == "nearest" ? 0 : mode == "linear" ? 2 : 4;
  int changed = 0;
  for (int axis = 0; axis < site.input_shape(0).rank(); ++axis)
    changed += site.input_shape(0)[axis] != site.outputs[0].shape[axis];
  total.flops = 2 * taps * changed * static_cast<double>(site.outputs[0].shape.elements());
  return total;
}

/// `values` of shape `shape`, resized along one axis.
std::vector<double> resize_axis(std::span<const double> values, const Shape& shape, int axis,
                                std::span<const std::vector<ResizeTap>> taps, double outside) {
  const auto inner = static_cast<size_t>(row_major_strides(shape)[static_cast<size_t>(axis)]);
  const auto in = static_cast<size_t>(shape[axis]);
  const size_t lines = in * inner == 0 ? 0 : values.size() / (in * inner);
  std::vector<double> resized(lines * taps.size() * inner);
  for (size_t line = 0; line < lines; ++line)
    for (size_t y = 0; y < taps.size(); ++y)
      for (size_t i = 0; i < inner; ++i) {
        double sum = taps[y].empty() ? outside : 0;
        for (const ResizeTap& tap : taps[y])
          sum += tap.weight * values[(line * in + static_cast<size_t>(tap.from)) * inner + i];
        resized[(line * taps.size() + y) * inner + i] = sum;
      }
  return resized;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor x = plain(inputs[0]);
  const auto axes = *resize_axes(site);
  const double outside = site.attributes->get_float("extrapolation_value", 0);
  visit_number(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<double> values;
    for (T element : x.span<T>()) values.push_back(static_cast<double>(widen(element)));
    Shape shape = x.shape();
    for (int a = 0; a < shape.rank(); ++a) {
      const ResizeAxis& axis = axes[static_cast<size_t>(a)];
      if (axis.scale == 1 && axis.in == axis.out && axis.roi_begin == 0 && axis.roi_end == 1) continue;
      values = resize_axis(values, shape, a, resize_taps(site, axis), outside);
      shape[a] = axis.out;
    }
    const auto ys = outputs[0].span<T>();
    for (size_t i = 0; i < ys.size(); ++i)
      ys[i] = to_number<T>(std::is_integral_v<T> ? std::nearbyint(values[i]) : values[i]);
  });
}

}  // namespace

std::optional<std::vector<ResizeAxis>> resize_axes(const OpSite& site) {
  const Shape& x = site.input_shape(0);
  const Places places = places_of(site);
  const std::vector<int> axes = changed_axes(site);
  std::vector<ResizeAxis> all;
  for (int64_t size : x) all.push_back({size, size});
  if (places.scales != kAbsent) {
    if (!known_value(site, places.scales)) return std::nullopt;
    const std::vector<double> scales = known_floats(site, places.scales, axes.size());
    for (size_t i = 0; i < axes.size(); ++i) {
      ResizeAxis& axis = all[static_cast<size_t>(axes[i])];
      require(site, scales[i] > 0, "scales: found {}", scales[i]);
      if (axis.in < 0 && scales[i] == 1) continue;
      if (axis.in < 0) return std::nullopt;
      axis.scale = scales[i];
      axis.out = checked_size(site, scales[i] * static_cast<double>(axis.in));
    }
  } else {
    const auto sizes = known_ints(site, places.sizes);
    for (int axis : axes)
      if (x[axis] < 0) return std::nullopt;
    if (!sizes) return std::nullopt;
    resize_to_sizes(site, *sizes, axes, all);
  }
  if (site.attributes->get_string("coordinate_transformation_mode", "") != "tf_crop_and_resize") return all;
  require(site, places.roi != kAbsent, "tf_crop_and_resize needs input roi");
  if (!known_value(site, places.roi)) return std::nullopt;
  const std::vector<double> roi = known_floats(site, places.roi, 2 * axes.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    all[static_cast<size_t>(axes[i])].roi_begin = roi[i];
    all[static_cast<size_t>(axes[i])].roi_end = roi[axes.size() + i];
  }
  return all;
}

const OpSchema& resize_schema() {
  static const OpSchema schema = {.name = "Resize",
                                  .domain = "",
                                  .inputs = {{"X"}, {"roi", true}, {"scales", true}, {"sizes", true}},
                                  .outputs = {"Y"},
                                  .infer = infer,
                                  .cost = cost,
                                  .reference = reference};
  return schema;
}

const OpSchema& upsample_schema() {
  static const OpSchema schema = {.name = "Upsample",
                                  .domain = "",
                                  .inputs = {{"X"}, {"scales"}},
                                  .outputs = {"Y"},
                                  .infer = infer,
                                  .cost = cost,
                                  .reference = reference};
  return schema;
}

}  // namespace halftone
