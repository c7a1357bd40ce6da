#include "backend/cpu/resize/resize_site.h"

#include <algorithm>

#include "backend/cpu/float_site.h"

namespace halftone::cpu {
namespace {

/// Whether the batch and the channels keep their sizes, whatever those are.
bool resizes_places_alone(const OpSite& site) {
  if (site.attributes->get_string("coordinate_transformation_mode", "") == "tf_crop_and_resize") return false;
  const std::vector<int64_t> axes = site.attributes->get_ints("axes", {});
  if (!axes.empty())
    return std::all_of(axes.begin(), axes.end(),
                       [](int64_t axis) { return (axis < 0 ? axis + 4 : axis) >= 2; });
  constexpr size_t kScales = 2;
  if (site.schema->name != "Resize" || !site.has_input(kScales) || !site.inputs[kScales].constant)
    return false;
  const Tensor scales = to_f32(site.inputs[kScales].constant->load());
  return scales.shape() == Shape{4} && scales.span<float>()[0] == 1 && scales.span<float>()[1] == 1;
}

}  // namespace

Refusal places_refusal(const OpSite& site) {
  if (Refusal refusal = not_all_f32(site, 1); !refusal.empty()) return refusal;
  const Shape& x = site.input_shape(0);
  if (x.rank() != 4) return fmt::format("{} dimensions", x.rank());
  const auto axes = resize_axes(site);
  if (!axes) return resizes_places_alone(site) ? "" : "sizes are not known ahead";
  if ((*axes)[1].in != (*axes)[1].out) return "channels are resized";
  if ((*axes)[0].in != (*axes)[0].out && x[0] >= 0) return "the batch is resized";
  return {};
}

}  // namespace halftone::cpu
