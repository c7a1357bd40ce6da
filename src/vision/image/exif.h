#pragma once

#include <cstddef>
#include <span>

#include "vision/image/image.h"

namespace halftone {

/// The orientation (1 to 8, EXIF 2.3 tag 0x0112) that an image file's EXIF block asks for; 1 where there is
/// none or it is broken. Finds the block in JPEG (APP1), PNG (eXIf) and WebP (EXIF) files.
int exif_orientation(std::span<const std::byte> file);

/// The image as it is meant to be seen: 2 mirrored, 3 turned by 180 degrees, 4 flipped, 5 to 8 transposed.
Image oriented(Image image, int orientation);

}  // namespace halftone
