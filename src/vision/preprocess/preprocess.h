#pragma once

#include <array>
#include <span>
#include <string>

#include "base/json.h"
#include "core/tensor.h"
#include "vision/image/resize.h"

namespace halftone {

enum class ChannelOrder { rgb, bgr, grey };

/// How a picture comes to the model's size.
enum class Fit {
  none,          ///< it does not: pictures must have the size already
  stretch,       ///< to height x width, whatever its aspect
  shorter_side,  ///< its shorter side to a length, the aspect kept
  letterbox,     ///< inside height x width, the aspect kept, the rest padded
};

enum class Place { top_left, centre };

/// Of the sides that keep the aspect: down, or to the nearest.
enum class Rounding { down, nearest };

/// What a model wants done to a picture: fit, crop, channel order, then (pixel * scale - mean) / std. Read
/// from JSON (docs/formats/preprocess.md), whatever the file that said it.
struct Preprocess {
  ChannelOrder channels = ChannelOrder::rgb;
  Fit fit = Fit::none;
  int height = 0;  ///< of stretch and letterbox; 0: the model's input
  int width = 0;
  int shorter_side = 0;
  Resampler resampler = Resampler::pillow_bilinear;
  Place place = Place::centre;  ///< of a letterboxed picture
  Rounding rounding = Rounding::nearest;
  uint8_t pad = 0;
  bool enlarge = true;  ///< whether letterbox makes small pictures larger
  int crop_height = 0;  ///< from the centre after fitting; 0: no crop
  int crop_width = 0;
  float scale = 1;
  std::array<float, 3> mean{0, 0, 0};  ///< by channel, in the model's order
  std::array<float, 3> std{1, 1, 1};
  DType dtype = DType::f32;  ///< what the model takes: f32, or f16 and bf16, rounded last of all

  int channel_count() const { return channels == ChannelOrder::grey ? 1 : 3; }
};

/// Sides of fitted pictures stay below this many pixels.
inline constexpr int kMaxFittedSide = 1 << 15;

/// Throws InputError naming `source` and the key for what is not as docs/formats/preprocess.md says, unknown
/// keys included.
Preprocess parse_preprocess(const Json& json, const std::string& source);

/// Where a fitted picture's pixels lie in the original: x = (fitted x - left) / ratio_x.
struct Placement {
  double ratio_x = 1;
  double ratio_y = 1;
  int left = 0;
  int top = 0;
};

struct FittedImage {
  Image image;
  Placement placement;
};

/// Resizes, letterboxes and crops. Throws InputError naming `source` when the picture ends smaller than the
/// crop.
FittedImage fit_image(const Image& image, const Preprocess& preprocess, const std::string& source,
                      ThreadPool& threads);

/// Channels in the model's order, scaled, as planes: `out` is [channels, height, width].
void normalize_pixels(const Image& image, const Preprocess& preprocess, std::span<float> out);

}  // namespace halftone
