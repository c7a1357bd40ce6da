#include <algorithm>

#include "grad/gradient_scope.h"
#include "ops/conv/conv.h"

namespace halftone {
namespace {

std::vector<int64_t> along(const Window& window, int64_t WindowAxis::*field) {
  std::vector<int64_t> values;
  for (int a = 0; a < window.rank; ++a) values.push_back(window[a].*field);
  return values;
}

std::vector<int64_t> pads_of(const Window& window) {
  std::vector<int64_t> pads = along(window, &WindowAxis::pad_begin);
  const std::vector<int64_t> ends = along(window, &WindowAxis::pad_end);
  pads.insert(pads.end(), ends.begin(), ends.end());
  return pads;
}

/// [0, 1, ..., rank) with some axes put in front.
std::vector<int64_t> axes_led_by(std::vector<int64_t> first, int64_t rank) {
  for (int64_t axis = 0; axis < rank; ++axis)
    if (std::find(first.begin(), first.end(), axis) == first.end()) first.push_back(axis);
  return first;
}

/// ConvTranspose is Conv's gradient by its input; what the last windows left unread is output padding.
ValueId input_gradient(GradientScope& s, const ConvExtent& extent) {
  const Shape x = s.shape(s.input(0)), y = s.shape(s.output());
  std::vector<int64_t> unread;
  for (int a = 0; a < extent.window.rank; ++a) {
    const WindowAxis& axis = extent.window[a];
    const int64_t read = (y[a + 2] - 1) * axis.stride + axis.span();
    unread.push_back(x[a + 2] + axis.pad_begin + axis.pad_end - read);
  }
  return s.op("ConvTranspose", {s.gradient(), s.input(1)},
              {{"strides", along(extent.window, &WindowAxis::stride)},
               {"dilations", along(extent.window, &WindowAxis::dilation)},
               {"pads", pads_of(extent.window)},
               {"output_padding", unread},
               {"group", extent.groups}});
}

/// dW[m, c, t] = sum over n, o of dY[n, m, o] X[n, c, o stride - pad + t dilation]: a convolution of X by dY
/// in which samples and channels change places, and so do strides and dilations.
ValueId weight_gradient(GradientScope& s, const ConvExtent& extent) {
  const Shape x = s.shape(s.input(0)), w = s.shape(s.input(1));
  const int64_t batch = x[0], groups = extent.groups, channels = extent.group_inputs;
  Shape split{batch, groups, channels}, merged{channels, groups * batch};
  for (int axis = 2; axis < x.rank(); ++axis) split.push_back(x[axis]), merged.push_back(x[axis]);
  const ValueId image =
      s.reshape(s.transpose(s.reshape(s.input(0), split), axes_led_by({2, 1, 0}, split.rank())), merged);
  const ValueId kernel = s.transpose(s.gradient(), axes_led_by({1, 0}, x.rank()));
  ValueId result = s.op("Conv", {image, kernel},
                        {{"strides", along(extent.window, &WindowAxis::dilation)},
                         {"dilations", along(extent.window, &WindowAxis::stride)},
                         {"pads", pads_of(extent.window)},
                         {"group", groups}});
  result = s.transpose(result, axes_led_by({1, 0}, x.rank()));
  std::vector<int64_t> begins, ends, axes;  // windows beyond the last that the forward pass had
  for (int axis = 2; axis < w.rank(); ++axis)
    if (s.shape(result)[axis] != w[axis]) begins.push_back(0), ends.push_back(w[axis]), axes.push_back(axis);
  if (axes.empty()) return result;
  return s.op("Slice", {result, s.ints(begins), s.ints(ends), s.ints(axes)});
}

}  // namespace

void conv_gradient(GradientScope& s) {
  if (s.input(3) != kNoValue || s.input(kConvGains) != kNoValue || s.attributes().has("activation"))
    s.refuse("with what a pass fused into it");
  const Shape x = s.shape(s.input(0));
  if (!x.is_concrete()) s.refuse("at the symbolic shape " + x.str());
  ConvExtent extent = conv_extent(s.site());
  if (extent.window.auto_pad != Window::AutoPad::none) fit_same(extent.window, x);
  if (s.wants(0)) s.give(0, input_gradient(s, extent));
  if (s.wants(1)) s.give(1, weight_gradient(s, extent));
  if (!s.wants(2)) return;
  std::vector<int64_t> axes = {0};
  for (int axis = 2; axis < x.rank(); ++axis) axes.push_back(axis);
  s.give(2, s.op("ReduceSum", {s.gradient(), s.ints(axes)}, {{"keepdims", int64_t{0}}}));
}

}  // namespace halftone
