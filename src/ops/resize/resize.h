#pragma once

#include <optional>

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Resize (19): the last axes of X, or those of attribute axes, at other sizes.
///
/// Inputs: X, any number type; roi [2 * axes], for tf_crop_and_resize; scales [axes], f32, or sizes [axes],
/// integers (one of the two; an input of no elements counts as absent).
/// Attributes: mode (nearest, linear, cubic), coordinate_transformation_mode (half_pixel,
/// half_pixel_symmetric, pytorch_half_pixel, align_corners, asymmetric, tf_crop_and_resize), nearest_mode
/// (round_prefer_floor, round_prefer_ceil, floor, ceil), antialias (0), cubic_coeff_a (-0.75),
/// exclude_outside (0), extrapolation_value (0), keep_aspect_ratio_policy (stretch, not_larger, not_smaller).
/// The reference resizes one axis after another in f64; integer types are rounded at the end, halves to even.
const OpSchema& resize_schema();

/// ONNX Upsample (9): Resize by scales, mode nearest or linear, asymmetric, nearest_mode floor.
const OpSchema& upsample_schema();

/// What happens to one axis.
struct ResizeAxis {
  int64_t in, out;
  double scale = 1;
  double roi_begin = 0, roi_end = 1;
};
/// One for each axis of X; nothing while scales or sizes are unknown. An axis of symbolic size that scale 1
/// leaves alone has that symbol as `in` and `out`.
std::optional<std::vector<ResizeAxis>> resize_axes(const OpSite& site);

/// One input element of one output element. `from` is inside the axis.
struct ResizeTap {
  int64_t from;
  double weight;
};
/// The taps of each output index along one axis; none where extrapolation_value stands.
std::vector<std::vector<ResizeTap>> resize_taps(const OpSite& site, const ResizeAxis& axis);

}  // namespace halftone
