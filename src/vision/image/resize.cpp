#include "vision/image/resize.h"

#include <utility>

#include "vision/image/resamplers.h"

namespace halftone {
namespace {

struct Entry {
  Resampler resampler;
  std::string_view name;
  Image (*resize)(const Image&, int width, int height, ThreadPool&);
};
constexpr Entry kEntries[] = {{Resampler::pillow_bilinear, "pillow_bilinear", resize_pillow_bilinear},
                              {Resampler::pillow_bicubic, "pillow_bicubic", resize_pillow_bicubic},
                              {Resampler::opencv_bilinear, "opencv_bilinear", resize_opencv_bilinear}};

const Entry& entry(Resampler resampler) {
  return kEntries[static_cast<size_t>(resampler)];
}

}  // namespace

std::string_view resampler_name(Resampler resampler) {
  return entry(resampler).name;
}

std::optional<Resampler> resampler_from_name(std::string_view name) {
  for (const Entry& known : kEntries)
    if (known.name == name) return known.resampler;
  return std::nullopt;
}

Image resize(const Image& image, int width, int height, Resampler resampler, ThreadPool& threads) {
  if (width == image.width && height == image.height) return image;
  return entry(resampler).resize(image, width, height, threads);
}

}  // namespace halftone
