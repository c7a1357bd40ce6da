#pragma once

#include <span>
#include <string>

#include "vision/image/image.h"

namespace halftone {

/// Bytes of an image and what its decoder is told.
struct EncodedImage {
  std::span<const std::byte> bytes;
  const std::string& source;
  int64_t max_pixels;
};

/// Each throws as decode_image() says. The orientation is left to the caller.
Image decode_jpeg(const EncodedImage& encoded);
Image decode_png(const EncodedImage& encoded);
Image decode_webp(const EncodedImage& encoded);

std::string encode_jpeg(const Image& image, int quality);
std::string encode_png(const Image& image);

/// Throws InputError unless 1 <= width, height and width * height is within encoded.max_pixels.
void check_image_size(const EncodedImage& encoded, int64_t width, int64_t height);

}  // namespace halftone
