#include "ops/window.h"

#include <algorithm>

#include "base/checked.h"

namespace halftone {
namespace {

/// Windows, strides and pads larger than this come from no model and would overflow products.
constexpr int64_t kLargestStep = int64_t{1} << 30;
/// So are longer spatial axes; times strides they would overflow.
constexpr int64_t kLongestAxis = int64_t{1} << 31;
/// Places under one window: a picture of 4096 x 4096.
constexpr int64_t kMostTaps = int64_t{1} << 24;

/// attributes[name], one entry for each spatial axis, or `fallback` for all.
std::vector<int64_t> axis_values(const OpSite& site, std::string_view name, size_t count, int64_t fallback,
                                 int64_t least) {
  const std::vector<int64_t> values = site.attributes->get_ints(name, std::vector<int64_t>(count, fallback));
  require(site, values.size() == count, "attribute {}: expected {} values, found {}", name, count,
          values.size());
  for (int64_t value : values)
    require(site, least <= value && value <= kLargestStep, "attribute {}: found {}", name, value);
  return values;
}

}  // namespace

int64_t Window::taps() const {
  int64_t count = 1;
  for (int a = 0; a < rank; ++a) count *= (*this)[a].kernel;
  return count;
}

Window read_window(const OpSite& site, const Shape& input, std::span<const int64_t> kernel) {
  const size_t rank = static_cast<size_t>(input.rank() - 2);
  require(site, kernel.size() == rank, "kernel_shape: expected {} values, found {}", rank, kernel.size());
  const std::vector<int64_t> strides = axis_values(site, "strides", rank, 1, 1);
  const std::vector<int64_t> dilations = axis_values(site, "dilations", rank, 1, 1);
  const std::string auto_pad = site.attributes->get_string("auto_pad", "NOTSET");
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  require(site, same || auto_pad == "NOTSET" || auto_pad == "VALID" || auto_pad.empty(),
          "attribute auto_pad: expected NOTSET, VALID, SAME_UPPER or SAME_LOWER, found \"{}\"", auto_pad);
  std::vector<int64_t> pads(2 * rank, 0);
  if (auto_pad == "NOTSET" || auto_pad.empty()) pads = axis_values(site, "pads", 2 * rank, 0, 0);

  Window window;
  window.rank = static_cast<int>(rank);
  int64_t taps = 1;
  window.ceil_mode = !same && auto_pad != "VALID" && site.attributes->get_int("ceil_mode", 0) != 0;
  for (size_t a = 0; a < rank; ++a) {
    require(site, 1 <= kernel[a] && kernel[a] <= kLargestStep && dilations[a] <= kLargestStep / kernel[a],
            "kernel_shape: found {} with dilation {}", kernel[a], dilations[a]);
    require(site, kernel[a] <= kMostTaps / taps, "kernel_shape: more than {} places", kMostTaps);
    taps *= kernel[a];
    const int64_t size = input[static_cast<int>(a) + 2];
    require(site, size <= kLongestAxis, "spatial axis {} has {} elements", a, size);
    window.axes[a] = {kernel[a], strides[a], dilations[a], pads[a], pads[rank + a]};
  }
  if (same)
    window.auto_pad = auto_pad == "SAME_UPPER" ? Window::AutoPad::same_upper : Window::AutoPad::same_lower;
  fit_same(window, input);
  return window;
}

void fit_same(Window& window, const Shape& input) {
  if (window.auto_pad == Window::AutoPad::none) return;
  for (int a = 0; a < window.rank; ++a) {
    WindowAxis& axis = window.axes[static_cast<size_t>(a)];
    const int64_t size = input[a + 2];
    if (size < 0) continue;
    const int64_t outputs = ceil_div(size, axis.stride);
    const int64_t total = std::max<int64_t>(0, (outputs - 1) * axis.stride + axis.span() - size);
    axis.pad_begin = window.auto_pad == Window::AutoPad::same_upper ? total / 2 : total - total / 2;
    axis.pad_end = total - axis.pad_begin;
  }
}

std::vector<int64_t> pool_kernel(const OpSite& site) {
  require(site, site.attributes->has("kernel_shape"), "attribute kernel_shape is missing");
  return site.attributes->get_ints("kernel_shape", {});
}

int64_t window_outputs(const OpSite& site, const Window& window, int axis, int64_t input) {
  const WindowAxis& w = window[axis];
  if (input < 0) {
    const bool same = window.auto_pad != Window::AutoPad::none || w.pad_begin + w.pad_end == w.span() - 1;
    return w.stride == 1 && same ? input : Shape::kUnknownDim;
  }
  const int64_t room = input + w.pad_begin + w.pad_end - w.span();
  // With ceil_mode the last window may begin in the input and end anywhere.
  require(site, room >= 0 || (window.ceil_mode && room > -w.stride),
          "the window spans {} elements of spatial axis {}, which has {} with its pads", w.span(), axis,
          input + w.pad_begin + w.pad_end);
  if (!window.ceil_mode) return room / w.stride + 1;
  const int64_t outputs = ceil_div(room, w.stride) + 1;
  return (outputs - 1) * w.stride >= input + w.pad_begin ? outputs - 1 : outputs;
}

Shape window_output_shape(const OpSite& site, const Window& window, const Shape& input, int64_t channels) {
  Shape shape{input[0], channels};
  for (int a = 0; a < window.rank; ++a) shape.push_back(window_outputs(site, window, a, input[a + 2]));
  return shape;
}

void require_spatial(const OpSite& site, const Shape& shape) {
  require(site, shape.rank() >= 3, "expected [N, C, spatial...], found {}", shape.str());
}

Shape spatial_shape(const Shape& shape) {
  return Shape(std::span(shape.begin() + 2, shape.end()));
}

SpatialIndex spatial_index(const Shape& spatial, int64_t i) {
  SpatialIndex index{};
  for (int a = spatial.rank() - 1; a >= 0; --a) {
    index[static_cast<size_t>(a)] = i % spatial[a];
    i /= spatial[a];
  }
  return index;
}

}  // namespace halftone
