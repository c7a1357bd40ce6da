#pragma once

#include <array>
#include <string_view>

#include "vision/image/image.h"

namespace halftone {

using Colour = std::array<uint8_t, 3>;

/// A colour for the n-th of many things, far from its neighbours'; never grey.
Colour nth_colour(int n);

/// The outline of a rectangle whose corners may lie outside of the image, `thickness` pixels wide, inwards.
void draw_rectangle(Image& image, int x0, int y0, int x1, int y1, int thickness, Colour colour);

/// Text on a filled ground, its top left corner at (x, y) but moved inside the image where it can be; each
/// pixel of a glyph is `size` wide. Characters other than printable ASCII show as "?".
void draw_label(Image& image, int x, int y, std::string_view text, int size, Colour ground);

/// The height of such a label in pixels.
int label_height(int size);

}  // namespace halftone
