#include "vision/image/draw.h"

#include <algorithm>
#include <cmath>

namespace halftone {
namespace {

constexpr int kGlyphWidth = 5;
constexpr int kGlyphHeight = 7;
constexpr int kMargin = 2;  ///< around text, in pixels of a glyph

constexpr uint8_t kGlyphs[][kGlyphWidth] = {
#include "vision/image/glyphs.inc"
};

void fill(Image& image, int x0, int y0, int x1, int y1, Colour colour) {
  x0 = std::clamp(x0, 0, image.width);
  x1 = std::clamp(x1, 0, image.width);
  for (int y = std::max(0, y0); y < std::min(image.height, y1); ++y)
    for (int x = x0; x < x1; ++x) std::copy(colour.begin(), colour.end(), image.row(y) + 3 * x);
}

const uint8_t* glyph(char c) {
  const bool printable = c >= 32 && c <= 126;
  return kGlyphs[(printable ? c : '?') - 32];
}

}  // namespace

/// Hues a golden angle apart, at full saturation and two brightnesses.
Colour nth_colour(int n) {
  const double hue = std::fmod(n * 0.618033988749895, 1.0) * 6;
  const double value = n % 2 == 0 ? 255 : 190;
  Colour colour{};
  for (int c = 0; c < 3; ++c) {
    const double distance = std::abs(std::fmod(hue + 6 - 2 * c + 3, 6.0) - 3);
    colour[static_cast<size_t>(c)] = static_cast<uint8_t>(value * std::clamp(2 - distance, 0.0, 1.0));
  }
  return colour;
}

void draw_rectangle(Image& image, int x0, int y0, int x1, int y1, int thickness, Colour colour) {
  fill(image, x0, y0, x1, y0 + thickness, colour);
  fill(image, x0, y1 - thickness, x1, y1, colour);
  fill(image, x0, y0, x0 + thickness, y1, colour);
  fill(image, x1 - thickness, y0, x1, y1, colour);
}

int label_height(int size) {
  return (kGlyphHeight + 2 * kMargin) * size;
}

void draw_label(Image& image, int x, int y, std::string_view text, int size, Colour ground) {
  const int advance = (kGlyphWidth + 1) * size;
  const int width = static_cast<int>(text.size()) * advance + (2 * kMargin - 1) * size;
  x = std::max(0, std::min(x, image.width - width));
  y = std::max(0, std::min(y, image.height - label_height(size)));
  fill(image, x, y, x + width, y + label_height(size), ground);
  const int brightness = (ground[0] * 299 + ground[1] * 587 + ground[2] * 114) / 1000;
  const Colour ink = brightness > 128 ? Colour{0, 0, 0} : Colour{255, 255, 255};
  for (size_t i = 0; i < text.size(); ++i)
    for (int column = 0; column < kGlyphWidth; ++column)
      for (int row = 0; row < kGlyphHeight; ++row) {
        if (!(glyph(text[i])[column] >> row & 1)) continue;
        const int left = x + kMargin * size + static_cast<int>(i) * advance + column * size;
        const int top = y + (kMargin + row) * size;
        fill(image, left, top, left + size, top + size, ink);
      }
}

}  // namespace halftone
