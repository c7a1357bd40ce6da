#include <webp/decode.h>

#include "base/error.h"
#include "vision/image/codecs.h"

namespace halftone {

Image decode_webp(const EncodedImage& encoded) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(encoded.bytes.data());
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes, encoded.bytes.size(), &features) != VP8_STATUS_OK)
    throw InputError("{}: broken WebP: the header does not make sense", encoded.source);
  if (features.has_animation) throw UnsupportedError("{}: an animated WebP", encoded.source);
  check_image_size(encoded, features.width, features.height);
  Image image(features.width, features.height);
  if (!WebPDecodeRGBInto(bytes, encoded.bytes.size(), image.pixels.data(), image.pixels.size(),
                         static_cast<int>(image.row_bytes())))
    throw InputError("{}: broken WebP: the picture is damaged or cut off", encoded.source);
  return image;
}

}  // namespace halftone
