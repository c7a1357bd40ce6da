#include <algorithm>
#include <cmath>

#include "ops/resize/resize.h"

namespace halftone {
namespace {

/// Where output index y lies among the inputs of its axis.
double input_coordinate(std::string_view mode, const ResizeAxis& axis, double y) {
  const double in = static_cast<double>(axis.in);
  const double length = axis.scale * in;  // of the output, before it was cut to a whole number
  if (mode == "align_corners") return length == 1 ? 0 : y * (in - 1) / (length - 1);
  if (mode == "asymmetric") return y / axis.scale;
  if (mode == "tf_crop_and_resize") {
    const double part = (axis.roi_end - axis.roi_begin) * (in - 1);
    return axis.roi_begin * (in - 1) + (length == 1 ? part / 2 : y * part / (length - 1));
  }
  if (mode == "pytorch_half_pixel" && length == 1) return -0.5;
  const double half_pixel = (y + 0.5) / axis.scale - 0.5;
  if (mode == "half_pixel_symmetric")
    return half_pixel + in / 2 * (1 - static_cast<double>(axis.out) / length);
  return half_pixel;
}

double nearest_index(std::string_view mode, double x) {
  if (mode == "floor") return std::floor(x);
  if (mode == "ceil") return std::ceil(x);
  return mode == "round_prefer_ceil" ? std::floor(x + 0.5) : std::ceil(x - 0.5);
}

/// The triangle of linear interpolation, and Keys' cubic kernel with free coefficient a.
double linear_kernel(double distance) {
  return std::max(0.0, 1 - distance);
}
double cubic_kernel(double distance, double a) {
  const double d = distance;
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

}  // namespace

std::vector<std::vector<ResizeTap>> resize_taps(const OpSite& site, const ResizeAxis& axis) {
  const Attributes& attributes = *site.attributes;
  const bool upsample = site.schema->name == "Upsample";
  const std::string mode = attributes.get_string("mode", "nearest");
  const std::string nearest =
      attributes.get_string("nearest_mode", upsample ? "floor" : "round_prefer_floor");
  const std::string coordinates =
      attributes.get_string("coordinate_transformation_mode", upsample ? "asymmetric" : "half_pixel");
  const bool exclude_outside = attributes.get_int("exclude_outside", 0) != 0;
  const double a = attributes.get_float("cubic_coeff_a", -0.75f);
  // A kernel stretched over the inputs of one output averages them.
  const double squeeze = attributes.get_int("antialias", 0) != 0 ? std::min(axis.scale, 1.0) : 1.0;
  const double radius = (mode == "cubic" ? 2 : 1) / squeeze;
  const double last = static_cast<double>(axis.in - 1);

  std::vector<std::vector<ResizeTap>> taps(static_cast<size_t>(axis.out));
  for (size_t y = 0; y < taps.size(); ++y) {
    const double x = input_coordinate(coordinates, axis, static_cast<double>(y));
    if (axis.in == 0 || (coordinates == "tf_crop_and_resize" && !(x >= 0 && x <= last))) continue;
    if (mode == "nearest") {
      taps[y] = {{static_cast<int64_t>(std::clamp(nearest_index(nearest, x), 0.0, last)), 1}};
      continue;
    }
    double sum = 0;
    for (double place = std::ceil(x - radius); place <= std::floor(x + radius); ++place) {
      if (exclude_outside && (place < 0 || place > last)) continue;
      const double distance = std::fabs(place - x) * squeeze;
      const double weight = mode == "cubic" ? cubic_kernel(distance, a) : linear_kernel(distance);
      if (weight == 0) continue;
      taps[y].push_back({static_cast<int64_t>(std::clamp(place, 0.0, last)), weight});
      sum += weight;
    }
    for (ResizeTap& tap : taps[y]) tap.weight /= sum;
  }
  return taps;
}

}  // namespace halftone
