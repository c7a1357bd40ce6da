#include "vision/image/image_file.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/write_file.h"
#include "vision/image/codecs.h"
#include "vision/image/exif.h"

namespace halftone {
namespace {

struct Format {
  std::string_view magic;
  size_t magic_at;
  Image (*decode)(const EncodedImage&);
};
constexpr Format kFormats[] = {
    {"\xff\xd8\xff", 0, decode_jpeg}, {"\x89PNG\r\n\x1a\n", 0, decode_png}, {"WEBP", 8, decode_webp}};

bool is_of(const Format& format, std::span<const std::byte> bytes) {
  return bytes.size() >= format.magic_at + format.magic.size() &&
         std::memcmp(bytes.data() + format.magic_at, format.magic.data(), format.magic.size()) == 0;
}

}  // namespace

void check_image_size(const EncodedImage& encoded, int64_t width, int64_t height) {
  if (width < 1 || height < 1 || width > encoded.max_pixels || height > encoded.max_pixels / width)
    throw InputError("{}: expected an image of 1 to {} pixels, found {} x {}", encoded.source,
                     encoded.max_pixels, width, height);
}

Image decode_image(std::span<const std::byte> bytes, const std::string& source, int64_t max_pixels) {
  for (const Format& format : kFormats)
    if (is_of(format, bytes))
      return oriented(format.decode({bytes, source, max_pixels}), exif_orientation(bytes));
  if (bytes.empty()) throw InputError("{}: expected an image, found an empty file", source);
  throw InputError("{}: expected a JPEG, PNG or WebP image, found none of them ({} bytes)", source,
                   bytes.size());
}

Image read_image(const fs::path& path) {
  return decode_image(MappedFile::open(path)->bytes(), path.string());
}

void write_image(const Image& image, const fs::path& path) {
  const fs::path kind = path.extension();
  if (kind != ".png" && kind != ".jpg" && kind != ".jpeg")
    throw UsageError("{}: pictures are written as .png, .jpg or .jpeg", path.string());
  write_file(path, kind == ".png" ? encode_png(image) : encode_jpeg(image, 92));
}

}  // namespace halftone
