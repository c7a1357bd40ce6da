#include "base/error.h"
#include "vision/preprocess/find_preprocess.h"

namespace halftone {
namespace {

/// {"height": H, "width": W} or a number, as ours; `key` is for errors.
Json height_width(const Json& size, const std::string& key, const std::string& source) {
  if (size.is_number()) return size;
  if (!size.is_object() || !size.contains("height") || !size.contains("width"))
    throw UnsupportedError("{}: key \"{}\": expected a number, or height and width, found {}", source, key,
                           size.dump().substr(0, 80));
  return Json::array({size["height"], size["width"]});
}

/// transformers numbers resamplers as Pillow does.
const char* resampler_of(const Json& config, const std::string& source) {
  const auto number = json_get<int>(config, "resample", source);
  if (number == 2) return "pillow_bilinear";
  if (number == 3) return "pillow_bicubic";
  throw UnsupportedError("{}: key \"resample\": {} (known: 2, bilinear; 3, bicubic)", source, number);
}

Json resize_of(const Json& config, const std::string& source) {
  const Json size = json_get<Json>(config, "size", source);
  Json resize = {{"resampler", resampler_of(config, source)}};
  if (size.is_object() && size.contains("shortest_edge")) {
    if (size.contains("longest_edge") && !size["longest_edge"].is_null())
      throw UnsupportedError("{}: a size with both a shortest and a longest edge", source);
    resize["mode"] = "shorter_side";
    resize["rounding"] = "down";
    resize["size"] = size["shortest_edge"];
  } else {
    resize["mode"] = "stretch";
    resize["size"] = height_width(size, "size", source);
  }
  return resize;
}

}  // namespace

Json preprocess_from_hf(const Json& config, const std::string& source) {
  if (!config.is_object()) throw InputError("{}: expected an object, found {}", source, config.type_name());
  auto says = [&](const char* key, bool otherwise) {
    return json_get_or<bool>(config, key, otherwise, source);
  };
  Json ours = {{"channels", says("do_flip_channel_order", false) ? "bgr" : "rgb"}};
  if (says("do_resize", true)) ours["resize"] = resize_of(config, source);
  if (says("do_center_crop", config.contains("crop_size") && !config["crop_size"].is_null()))
    ours["crop"] = height_width(json_get<Json>(config, "crop_size", source), "crop_size", source);
  if (says("do_rescale", true))
    ours["scale"] = json_get_or<double>(config, "rescale_factor", 1.0 / 255, source);
  if (says("do_normalize", true)) {
    ours["mean"] = json_get<Json>(config, "image_mean", source);
    ours["std"] = json_get<Json>(config, "image_std", source);
  }
  return ours;
}

}  // namespace halftone
