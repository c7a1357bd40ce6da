#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace halftone {

/// Eight bits of red, green and blue a pixel, rows from the top, without gaps.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> pixels;  ///< [height, width, 3]

  Image() = default;
  /// Every byte is `fill`.
  Image(int w, int h, uint8_t fill = 0)
      : width(w), height(h), pixels(static_cast<size_t>(w) * static_cast<size_t>(h) * 3, fill) {}

  size_t row_bytes() const { return static_cast<size_t>(width) * 3; }
  uint8_t* row(int y) { return pixels.data() + static_cast<size_t>(y) * row_bytes(); }
  const uint8_t* row(int y) const { return pixels.data() + static_cast<size_t>(y) * row_bytes(); }
};

}  // namespace halftone
