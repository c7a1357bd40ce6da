#include <algorithm>
#include <cmath>

#include "vision/image/resamplers.h"

namespace halftone {
namespace {

/// For each output position the two inputs between which it lies, and the share of the second.
struct Neighbours {
  std::vector<int> first, second;
  std::vector<float> share;
};

Neighbours neighbours(int from, int to) {
  const double scale = static_cast<double>(from) / to;
  Neighbours found;
  for (int i = 0; i < to; ++i) {
    const auto place = static_cast<float>((i + 0.5) * scale - 0.5);
    const auto whole = static_cast<int>(std::floor(place));
    const bool inside = whole >= 0 && whole < from - 1;
    const int at = std::clamp(whole, 0, from - 1);
    found.first.push_back(at);
    found.second.push_back(std::min(at + 1, from - 1));
    found.share.push_back(inside ? place - static_cast<float>(whole) : 0);
  }
  return found;
}

/// One row between its columns.
void blend_columns(const uint8_t* row, const Neighbours& columns, float* out) {
  const size_t width = columns.first.size();
  for (size_t x = 0; x < width; ++x) {
    const uint8_t* a = row + 3 * columns.first[x];
    const uint8_t* b = row + 3 * columns.second[x];
    for (int c = 0; c < 3; ++c)
      out[3 * x + static_cast<size_t>(c)] =
          static_cast<float>(a[c]) + static_cast<float>(b[c] - a[c]) * columns.share[x];
  }
}

/// OpenCV rounds the weights to 2^-11 and drops bits of the products; we round once, and stay within one
/// level.
void blend_rows(const float* a, const float* b, float share, uint8_t* out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(a[i] + (b[i] - a[i]) * share + 0.5f);
}

}  // namespace

Image resize_opencv_bilinear(const Image& image, int width, int height, ThreadPool& threads) {
  const Neighbours columns = neighbours(image.width, width);
  const Neighbours rows = neighbours(image.height, height);
  Image result(width, height);
  const size_t row_bytes = result.row_bytes();
  threads.parallel_for(height, rows_per_piece(6 * int64_t{width}), [&](int64_t begin, int64_t end) {
    // The two rows last blended: the next output often needs one of them again.
    std::vector<float> kept[2] = {std::vector<float>(row_bytes), std::vector<float>(row_bytes)};
    int held[2] = {-1, -1};
    for (auto y = static_cast<size_t>(begin); y < static_cast<size_t>(end); ++y) {
      const int wanted[2] = {rows.first[y], rows.second[y]};
      if (held[1] == wanted[0]) {
        std::swap(kept[0], kept[1]);
        std::swap(held[0], held[1]);
      }
      for (int i = 0; i < 2; ++i) {
        if (held[i] == wanted[i]) continue;
        blend_columns(image.row(wanted[i]), columns, kept[i].data());
        held[i] = wanted[i];
      }
      blend_rows(kept[0].data(), kept[1].data(), rows.share[y], result.row(static_cast<int>(y)), row_bytes);
    }
  });
  return result;
}

}  // namespace halftone
