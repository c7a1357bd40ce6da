#pragma once

#include <optional>
#include <string_view>

#include "base/thread_pool.h"
#include "vision/image/image.h"

namespace halftone {

/// How pixels between pixels are found. Models are sensitive to it: each gives the pixels of the library
/// that the model was trained with, within one grey level (Pillow's exactly).
enum class Resampler {
  pillow_bilinear,  ///< Pillow's: a triangle as wide as the reduction, so that reducing does not alias
  pillow_bicubic,   ///< Pillow's: Keys' cubic with a = -0.5, as wide as the reduction
  opencv_bilinear,  ///< OpenCV's INTER_LINEAR: the two nearest pixels whatever the reduction
};

std::string_view resampler_name(Resampler resampler);  ///< "pillow_bilinear", ...
std::optional<Resampler> resampler_from_name(std::string_view name);

/// The image at another size, both at least 1. Pixel centres lie at half integers, edges are repeated.
Image resize(const Image& image, int width, int height, Resampler resampler, ThreadPool& threads);

}  // namespace halftone
