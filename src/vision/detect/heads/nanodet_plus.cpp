#include "vision/detect/heads/distance_boxes.h"

namespace halftone {
namespace {

constexpr int kStrides[] = {8, 16, 32, 64};
constexpr int64_t kBoxWidth = 4 * kDistanceBins;

/// One output [1, cells, classes + 32].
int classes(const HeadSite& site) {
  if (site.outputs.size() != 1 || site.outputs[0].rank() != 3 || site.outputs[0][0] != 1) return 0;
  const bool fits = site.outputs[0][1] == total_cells(levels_of(site, kStrides));
  return fits ? static_cast<int>(std::max<int64_t>(0, site.outputs[0][2] - kBoxWidth)) : 0;
}

/// NanoDet-Plus: class probabilities, then distances from a cell's corner to the sides.
void decode(const HeadSite& site, std::span<const TensorView> outputs, float min_score,
            std::vector<Detection>& found) {
  const int count = classes(site);
  const float* row = outputs[0].span<float>().data();
  for (const Level& level : levels_of(site, kStrides)) {
    const auto stride = static_cast<float>(level.stride);
    for (int y = 0; y < level.rows; ++y)
      for (int x = 0; x < level.columns; ++x, row += count + kBoxWidth)
        for (int c = 0; c < count; ++c)
          if (row[c] > min_score)
            found.push_back({distance_box(row + count, static_cast<float>(x) * stride,
                                          static_cast<float>(y) * stride, stride),
                             row[c], c});
  }
}

}  // namespace

extern const DetectionHead nanodet_plus_head{"nanodet-plus", 0.05f, 0.6f, classes, decode};

}  // namespace halftone
