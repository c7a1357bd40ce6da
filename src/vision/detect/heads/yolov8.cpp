#include "vision/detect/head.h"

namespace halftone {
namespace {

constexpr int kStrides[] = {8, 16, 32};

/// One output [1, 4 + classes, cells].
int classes(const HeadSite& site) {
  if (site.outputs.size() != 1 || site.outputs[0].rank() != 3 || site.outputs[0][0] != 1) return 0;
  const bool fits = site.outputs[0][2] == total_cells(levels_of(site, kStrides));
  return fits ? static_cast<int>(std::max<int64_t>(0, site.outputs[0][1] - 4)) : 0;
}

/// YOLOv8, v9 and 11: columns of centre and size in pixels and the probability of each class.
void decode(const HeadSite& site, std::span<const TensorView> outputs, float min_score,
            std::vector<Detection>& found) {
  const int count = classes(site);
  const int64_t cells = site.outputs[0][2];
  const float* data = outputs[0].span<float>().data();
  for (int c = 0; c < count; ++c) {
    const float* scores = data + (4 + c) * cells;
    for (int64_t i = 0; i < cells; ++i)
      if (scores[i] > min_score)
        found.push_back(
            {centred_box(data[i], data[cells + i], data[2 * cells + i], data[3 * cells + i]), scores[i], c});
  }
}

}  // namespace

extern const DetectionHead yolov8_head{"yolov8", 0.001f, 0.7f, classes, decode};

}  // namespace halftone
