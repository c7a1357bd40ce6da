#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "vision/image/image.h"

namespace halftone {

/// More pixels than this are refused before memory is taken for them.
inline constexpr int64_t kMaxImagePixels = int64_t{1} << 27;

/// JPEG, PNG or WebP, told by the first bytes. Grey becomes RGB, CMYK is converted, alpha is dropped, 16 bits
/// lose their lower 8, colour profiles and gamma are ignored (all as Pillow's convert("RGB") has it, within
/// one grey level); the EXIF orientation is applied. Throws InputError for anything that is broken, cut off
/// or has more than `max_pixels`; UnsupportedError for an animated WebP. `source` names the bytes in errors.
Image decode_image(std::span<const std::byte> bytes, const std::string& source,
                   int64_t max_pixels = kMaxImagePixels);

/// A file, the same way.
Image read_image(const fs::path& path);

/// Writes .png, .jpg or .jpeg (quality 92), told by the extension; UsageError for another one. The file
/// appears whole or not at all.
void write_image(const Image& image, const fs::path& path);

}  // namespace halftone
