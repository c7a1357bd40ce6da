#include <cmath>

#include "vision/detect/head.h"

namespace halftone {
namespace {

constexpr int kStrides[] = {8, 16, 32};

/// One output [1, cells, 5 + classes].
int classes(const HeadSite& site) {
  if (site.outputs.size() != 1 || site.outputs[0].rank() != 3 || site.outputs[0][0] != 1) return 0;
  const bool fits = site.outputs[0][1] == total_cells(levels_of(site, kStrides));
  return fits ? static_cast<int>(std::max<int64_t>(0, site.outputs[0][2] - 5)) : 0;
}

/// A cell's row: centre from the cell's corner in strides, logarithm of the size in strides, the probability
/// of an object, of each class (Ge et al., arXiv:2107.08430).
void decode(const HeadSite& site, std::span<const TensorView> outputs, float min_score,
            std::vector<Detection>& found) {
  const int count = classes(site);
  const float* row = outputs[0].span<float>().data();
  for (const Level& level : levels_of(site, kStrides)) {
    const auto stride = static_cast<float>(level.stride);
    for (int y = 0; y < level.rows; ++y)
      for (int x = 0; x < level.columns; ++x, row += 5 + count) {
        if (!(row[4] > min_score)) continue;  // no class is likelier than its object
        const Box box =
            centred_box((row[0] + static_cast<float>(x)) * stride, (row[1] + static_cast<float>(y)) * stride,
                        std::exp(row[2]) * stride, std::exp(row[3]) * stride);
        for (int c = 0; c < count; ++c)
          if (const float score = row[4] * row[5 + c]; score > min_score) found.push_back({box, score, c});
      }
  }
}

}  // namespace

extern const DetectionHead yolox_head{"yolox", 0.01f, 0.65f, classes, decode};

}  // namespace halftone
