#include <algorithm>
#include <cmath>
#include <fmt/ranges.h>
#include <span>
#include <string_view>
#include <tuple>

#include "base/error.h"
#include "vision/preprocess/preprocess.h"

namespace halftone {
namespace {

template <class T>
struct Word {
  std::string_view name;
  T value;
};
constexpr Word<ChannelOrder> kChannels[] = {
    {"rgb", ChannelOrder::rgb}, {"bgr", ChannelOrder::bgr}, {"grey", ChannelOrder::grey}};
constexpr Word<Fit> kFits[] = {{"none", Fit::none},
                               {"stretch", Fit::stretch},
                               {"shorter_side", Fit::shorter_side},
                               {"letterbox", Fit::letterbox}};
constexpr Word<Resampler> kResamplers[] = {{"pillow_bilinear", Resampler::pillow_bilinear},
                                           {"pillow_bicubic", Resampler::pillow_bicubic},
                                           {"opencv_bilinear", Resampler::opencv_bilinear}};
constexpr Word<Place> kPlaces[] = {{"top_left", Place::top_left}, {"centre", Place::centre}};
constexpr Word<Rounding> kRoundings[] = {{"down", Rounding::down}, {"nearest", Rounding::nearest}};

constexpr std::string_view kKeys[] = {"channels", "resize", "crop",  "scale",      "mean",
                                      "std",      "labels", "files", "description"};
constexpr std::string_view kResizeKeys[] = {"mode", "size",     "resampler", "place",
                                            "pad",  "rounding", "enlarge"};

void check_keys(const Json& object, std::span<const std::string_view> known, const std::string& source) {
  if (!object.is_object()) throw InputError("{}: expected an object, found {}", source, object.type_name());
  for (const auto& [key, value] : object.items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      throw InputError("{}: unknown key \"{}\" (known: {})", source, key, fmt::join(known, ", "));
}

template <class T, size_t n>
T word(const Json& object, const std::string& key, const Word<T> (&known)[n], T fallback,
       const std::string& source) {
  if (!object.contains(key)) return fallback;
  const auto text = json_get<std::string>(object, key, source);
  std::vector<std::string_view> names;
  for (const Word<T>& entry : known) {
    if (entry.name == text) return entry.value;
    names.push_back(entry.name);
  }
  throw InputError("{}: key \"{}\": expected one of {}, found \"{}\"", source, key, fmt::join(names, ", "),
                   text);
}

/// A length of a side in pixels.
int side(const Json& value, const std::string& key, const std::string& source) {
  if (!json_fits<int>(value) || value.get<int>() < 1 || value.get<int>() > kMaxFittedSide)
    throw InputError("{}: key \"{}\": expected a size of 1 to {} pixels, found {}", source, key,
                     kMaxFittedSide, value.dump().substr(0, 40));
  return value.get<int>();
}

/// N (a square) or [height, width].
std::pair<int, int> sides(const Json& object, const std::string& key, const std::string& source) {
  const Json& value = object.at(key);
  if (!value.is_array()) return {side(value, key, source), side(value, key, source)};
  if (value.size() != 2)
    throw InputError("{}: key \"{}\": expected [height, width], found {}", source, key,
                     value.dump().substr(0, 40));
  return {side(value[0], key, source), side(value[1], key, source)};
}

float finite(const Json& value, const std::string& key, const std::string& source) {
  const auto number = value.is_number() ? value.get<float>() : NAN;
  if (!std::isfinite(number))
    throw InputError("{}: key \"{}\": expected a number, found {}", source, key, value.dump().substr(0, 40));
  return number;
}

/// A number for all channels, or one for each.
void read_channels(const Json& object, const std::string& key, size_t channels, std::array<float, 3>& out,
                   const std::string& source) {
  if (!object.contains(key)) return;
  const Json& value = object.at(key);
  if (!value.is_array()) {
    out.fill(finite(value, key, source));
    return;
  }
  if (value.size() != channels)
    throw InputError("{}: key \"{}\": expected {} numbers, found {}", source, key, channels, value.size());
  for (size_t c = 0; c < channels; ++c) out[c] = finite(value[c], key, source);
}

void read_resize(const Json& resize, Preprocess& preprocess, const std::string& source) {
  check_keys(resize, kResizeKeys, source);
  preprocess.fit = word(resize, "mode", kFits, Fit::stretch, source);
  preprocess.resampler = word(resize, "resampler", kResamplers, preprocess.resampler, source);
  preprocess.place = word(resize, "place", kPlaces, preprocess.place, source);
  preprocess.rounding = word(resize, "rounding", kRoundings, preprocess.rounding, source);
  preprocess.enlarge = json_get_or<bool>(resize, "enlarge", preprocess.enlarge, source);
  if (resize.contains("pad")) {
    if (!json_fits<uint8_t>(resize["pad"]))
      throw InputError("{}: key \"pad\": expected 0 to 255, found {}", source,
                       resize["pad"].dump().substr(0, 40));
    preprocess.pad = resize["pad"].get<uint8_t>();
  }
  if (preprocess.fit == Fit::shorter_side) {
    if (!resize.contains("size")) throw InputError("{}: mode \"shorter_side\" wants a key \"size\"", source);
    preprocess.shorter_side = side(resize["size"], "size", source);
  } else if (resize.contains("size")) {
    std::tie(preprocess.height, preprocess.width) = sides(resize, "size", source);
  }
}

}  // namespace

Preprocess parse_preprocess(const Json& json, const std::string& source) {
  check_keys(json, kKeys, source);
  Preprocess preprocess;
  preprocess.channels = word(json, "channels", kChannels, preprocess.channels, source);
  if (json.contains("resize")) read_resize(json["resize"], preprocess, source);
  if (json.contains("crop"))
    std::tie(preprocess.crop_height, preprocess.crop_width) = sides(json, "crop", source);
  if (json.contains("scale")) preprocess.scale = finite(json["scale"], "scale", source);
  const auto channels = static_cast<size_t>(preprocess.channel_count());
  read_channels(json, "mean", channels, preprocess.mean, source);
  read_channels(json, "std", channels, preprocess.std, source);
  for (float deviation : preprocess.std)
    if (deviation == 0) throw InputError("{}: key \"std\": found 0, by which nothing divides", source);
  return preprocess;
}

}  // namespace halftone
