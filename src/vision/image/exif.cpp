#include "vision/image/exif.h"

#include <cstring>
#include <string_view>

namespace halftone {
namespace {

constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kShort = 3;

/// Numbers of either byte order out of untrusted bytes; 0 beyond their end.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}

  uint32_t number(size_t at, size_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      const size_t from = big_endian_ ? at + i : at + size - 1 - i;
      value = value << 8 | std::to_integer<uint32_t>(bytes_[from]);
    }
    return value;
  }
  bool says(size_t at, std::string_view text) const {
    return at <= bytes_.size() && text.size() <= bytes_.size() - at &&
           std::memcmp(bytes_.data() + at, text.data(), text.size()) == 0;
  }
  size_t size() const { return bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
  bool big_endian_;
};

/// Of a TIFF structure, which an EXIF block is: the byte order, the offset of the first directory, its
/// entries.
int tiff_orientation(std::span<const std::byte> tiff) {
  const bool big_endian = Reader(tiff, true).says(0, "MM");
  const Reader reader(tiff, big_endian);
  if (!big_endian && !reader.says(0, "II")) return 1;
  const size_t directory = reader.number(4, 4);
  const uint32_t entries = reader.number(directory, 2);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + size_t{12} * i;
    if (entry >= reader.size()) break;
    if (reader.number(entry, 2) != kOrientationTag || reader.number(entry + 2, 2) != kShort) continue;
    const auto orientation = static_cast<int>(reader.number(entry + 8, 2));
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
  }
  return 1;
}

/// The part [at, at + size) of the file as far as it is there.
std::span<const std::byte> part(std::span<const std::byte> file, size_t at, size_t size) {
  if (at > file.size()) return {};
  return file.subspan(at, std::min(size, file.size() - at));
}

std::span<const std::byte> without_prefix(std::span<const std::byte> block) {
  return Reader(block, true).says(0, std::string_view("Exif\0\0", 6)) ? block.subspan(6) : block;
}

std::span<const std::byte> jpeg_block(std::span<const std::byte> file) {
  const Reader reader(file, true);
  for (size_t at = 2; at + 4 <= file.size();) {  // marker, length (itself counted), data
    if (reader.number(at, 1) != 0xff) return {};
    const uint32_t marker = reader.number(at + 1, 1);
    const size_t length = reader.number(at + 2, 2);
    if (marker == 0xda || length < 2) return {};
    const auto block = part(file, at + 4, length - 2);
    if (marker == 0xe1 && without_prefix(block).size() < block.size()) return without_prefix(block);
    at += 2 + length;
  }
  return {};
}

std::span<const std::byte> png_block(std::span<const std::byte> file) {
  const Reader reader(file, true);
  for (size_t at = 8; at + 12 <= file.size();) {  // length, name, data, checksum
    const size_t length = reader.number(at, 4);
    if (reader.says(at + 4, "eXIf")) return part(file, at + 8, length);
    if (length > file.size()) return {};
    at += 12 + length;
  }
  return {};
}

std::span<const std::byte> webp_block(std::span<const std::byte> file) {
  const Reader reader(file, false);
  for (size_t at = 12; at + 8 <= file.size();) {  // name, length, data padded to an even length
    const size_t length = reader.number(at + 4, 4);
    if (reader.says(at, "EXIF")) return without_prefix(part(file, at + 8, length));
    if (length > file.size()) return {};
    at += 8 + length + (length & 1);
  }
  return {};
}

}  // namespace

int exif_orientation(std::span<const std::byte> file) {
  const Reader reader(file, true);
  if (reader.says(0, "\xff\xd8")) return tiff_orientation(jpeg_block(file));
  if (reader.says(0, "\x89PNG")) return tiff_orientation(png_block(file));
  if (reader.says(0, "RIFF")) return tiff_orientation(webp_block(file));
  return 1;
}

Image oriented(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transposed = orientation >= 5;
  const bool mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flipped = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image turned(transposed ? image.height : image.width, transposed ? image.width : image.height);
  for (int y = 0; y < turned.height; ++y)
    for (int x = 0; x < turned.width; ++x) {
      const int across = transposed ? y : x;
      const int down = transposed ? x : y;
      const int from_x = mirrored ? image.width - 1 - across : across;
      const int from_y = flipped ? image.height - 1 - down : down;
      std::memcpy(turned.row(y) + 3 * x, image.row(from_y) + 3 * from_x, 3);
    }
  return turned;
}

}  // namespace halftone
