#pragma once

#include <array>

#include "ops/op_schema.h"

namespace halftone {

/// One spatial axis of a window that slides over a tensor [N, C, spatial...]. Output o reads the elements
/// o * stride - pad_begin + t * dilation for t in [0, kernel); those outside the tensor are padding.
struct WindowAxis {
  int64_t kernel = 1, stride = 1, dilation = 1, pad_begin = 0, pad_end = 0;

  int64_t span() const { return (kernel - 1) * dilation + 1; }
};

/// The window of a convolution or a pool: `rank` spatial axes.
struct Window {
  static constexpr int kMaxRank = Shape::kMaxRank - 2;
  int rank = 0;
  std::array<WindowAxis, kMaxRank> axes{};
  bool ceil_mode = false;  ///< a last window that does not fit whole counts
  enum class AutoPad { none, same_upper, same_lower } auto_pad = AutoPad::none;

  const WindowAxis& operator[](int axis) const { return axes[static_cast<size_t>(axis)]; }
  int64_t taps() const;
};

/// A place by spatial axis.
using SpatialIndex = std::array<int64_t, Window::kMaxRank>;

/// Reads strides, dilations, pads, auto_pad (NOTSET, VALID, SAME_UPPER, SAME_LOWER) and ceil_mode.
/// `input` is [N, C, spatial...]; paddings of SAME over a symbolic dimension are 0. InputError for counts
/// that differ from the rank, sizes that are not positive, negative pads.
Window read_window(const OpSite& site, const Shape& input, std::span<const int64_t> kernel);

/// Sets the pads that auto_pad SAME asks for over an input [N, C, spatial...]: ceil(size / stride) outputs,
/// the odd element of padding at the end (upper) or the start.
void fit_same(Window& window, const Shape& input);

/// The spatial part of kernel_shape, which pools must have.
std::vector<int64_t> pool_kernel(const OpSite& site);

/// Outputs along one spatial axis of `input` elements. A symbolic axis stays what it is under windows that
/// keep every size, and is unknown under others. InputError where the window is larger than the padded axis.
int64_t window_outputs(const OpSite& site, const Window& window, int axis, int64_t input);

/// [N, channels, outputs...] for an input [N, C, spatial...].
Shape window_output_shape(const OpSite& site, const Window& window, const Shape& input, int64_t channels);

/// InputError unless `shape` is [N, C, spatial...] with one spatial axis at least.
void require_spatial(const OpSite& site, const Shape& shape);

/// The spatial dimensions of [N, C, spatial...].
Shape spatial_shape(const Shape& shape);
/// Of the i-th element of a row-major tensor.
SpatialIndex spatial_index(const Shape& spatial, int64_t i);

/// Calls body(offset, tap) for each tap of the window at output `at` that falls inside a tensor of dimensions
/// `spatial`; offset and tap count row-major over the tensor and the kernel.
template <class Body>
void visit_taps(const Window& window, const Shape& spatial, const SpatialIndex& at, Body body) {
  const Shape kernel = [&] {
    Shape shape;
    for (int a = 0; a < window.rank; ++a) shape.push_back(window[a].kernel);
    return shape;
  }();
  for (int64_t tap = 0, taps = kernel.elements(); tap < taps; ++tap) {
    const SpatialIndex step = spatial_index(kernel, tap);
    int64_t offset = 0;
    bool inside = true;
    for (int a = 0; a < window.rank; ++a) {
      const WindowAxis& axis = window[a];
      const auto i = static_cast<size_t>(a);
      const int64_t place = at[i] * axis.stride - axis.pad_begin + step[i] * axis.dilation;
      inside &= place >= 0 && place < spatial[a];
      offset = offset * spatial[a] + place;
    }
    if (inside) body(offset, tap);
  }
}

}  // namespace halftone
