#include "vision/preprocess/preprocess.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace halftone {
namespace {

int rounded_side(double side, Rounding rounding) {
  const double whole = rounding == Rounding::down ? std::floor(side) : std::floor(side + 0.5);
  return std::max(1, static_cast<int>(whole));
}

FittedImage stretch(const Image& image, int width, int height, Resampler resampler, ThreadPool& threads) {
  return {resize(image, width, height, resampler, threads),
          {static_cast<double>(width) / image.width, static_cast<double>(height) / image.height, 0, 0}};
}

FittedImage fit_shorter_side(const Image& image, const Preprocess& preprocess, const std::string& source,
                             ThreadPool& threads) {
  const int side = preprocess.shorter_side;
  const double shorter = std::min(image.width, image.height);
  const double exact = std::max(image.width, image.height) * static_cast<double>(side) / shorter;
  const int longer = rounded_side(std::min(exact, 2.0 * kMaxFittedSide), preprocess.rounding);
  if (longer > kMaxFittedSide)
    throw InputError("{}: {} x {} pixels are too long to be fitted to a shorter side of {}", source,
                     image.width, image.height, side);
  const bool wide = image.width > image.height;
  return stretch(image, wide ? longer : side, wide ? side : longer, preprocess.resampler, threads);
}

FittedImage letterbox(const Image& image, const Preprocess& preprocess, ThreadPool& threads) {
  double ratio = std::min(static_cast<double>(preprocess.height) / image.height,
                          static_cast<double>(preprocess.width) / image.width);
  if (!preprocess.enlarge) ratio = std::min(ratio, 1.0);
  const int width = std::min(preprocess.width, rounded_side(image.width * ratio, preprocess.rounding));
  const int height = std::min(preprocess.height, rounded_side(image.height * ratio, preprocess.rounding));
  const bool centred = preprocess.place == Place::centre;
  const Placement placement{ratio, ratio, centred ? (preprocess.width - width) / 2 : 0,
                            centred ? (preprocess.height - height) / 2 : 0};
  const Image small = resize(image, width, height, preprocess.resampler, threads);
  Image boxed(preprocess.width, preprocess.height, preprocess.pad);
  for (int y = 0; y < height; ++y)
    std::copy_n(small.row(y), small.row_bytes(), boxed.row(placement.top + y) + 3 * placement.left);
  return {std::move(boxed), placement};
}

FittedImage crop_centre(FittedImage fitted, int width, int height, const std::string& source) {
  const Image& image = fitted.image;
  if (width > image.width || height > image.height)
    throw InputError("{}: {} x {} pixels, fewer than the crop of {} x {}", source, image.width, image.height,
                     width, height);
  const int left = (image.width - width) / 2;
  const int top = (image.height - height) / 2;
  Image cropped(width, height);
  for (int y = 0; y < height; ++y)
    std::copy_n(image.row(top + y) + 3 * left, cropped.row_bytes(), cropped.row(y));
  fitted.placement.left -= left;
  fitted.placement.top -= top;
  return {std::move(cropped), fitted.placement};
}

FittedImage fit(const Image& image, const Preprocess& preprocess, const std::string& source,
                ThreadPool& threads) {
  switch (preprocess.fit) {
    case Fit::none:
      return {image, {}};
    case Fit::stretch:
      return stretch(image, preprocess.width, preprocess.height, preprocess.resampler, threads);
    case Fit::shorter_side:
      return fit_shorter_side(image, preprocess, source, threads);
    case Fit::letterbox:
      return letterbox(image, preprocess, threads);
  }
  return {image, {}};
}

/// Pillow's luma (ITU-R 601-2) in 16 bits.
uint8_t luma(const uint8_t* rgb) {
  return static_cast<uint8_t>((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

}  // namespace

FittedImage fit_image(const Image& image, const Preprocess& preprocess, const std::string& source,
                      ThreadPool& threads) {
  FittedImage fitted = fit(image, preprocess, source, threads);
  if (preprocess.crop_height == 0) return fitted;
  return crop_centre(std::move(fitted), preprocess.crop_width, preprocess.crop_height, source);
}

void normalize_pixels(const Image& image, const Preprocess& preprocess, std::span<float> out) {
  const size_t area = static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
  const auto channels = static_cast<size_t>(preprocess.channel_count());
  for (size_t c = 0; c < channels; ++c) {
    std::array<float, 256> value;
    for (int pixel = 0; pixel < 256; ++pixel)
      value[static_cast<size_t>(pixel)] =
          (static_cast<float>(pixel) * preprocess.scale - preprocess.mean[c]) / preprocess.std[c];
    const size_t from = preprocess.channels == ChannelOrder::bgr ? 2 - c : c;
    float* plane = out.data() + c * area;
    const uint8_t* pixels = image.pixels.data();
    if (preprocess.channels == ChannelOrder::grey)
      for (size_t i = 0; i < area; ++i) plane[i] = value[luma(pixels + 3 * i)];
    else
      for (size_t i = 0; i < area; ++i) plane[i] = value[pixels[3 * i + from]];
  }
}

}  // namespace halftone
