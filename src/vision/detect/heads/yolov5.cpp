#include "vision/detect/head.h"

namespace halftone {
namespace {

constexpr int kStrides[] = {8, 16, 32};
constexpr int kAnchors = 3;  ///< boxes a cell

/// One output [1, 3 cells, 5 + classes].
int classes(const HeadSite& site) {
  if (site.outputs.size() != 1 || site.outputs[0].rank() != 3 || site.outputs[0][0] != 1) return 0;
  const bool fits = site.outputs[0][1] == kAnchors * total_cells(levels_of(site, kStrides));
  return fits ? static_cast<int>(std::max<int64_t>(0, site.outputs[0][2] - 5)) : 0;
}

/// YOLOv5's and v7's exports decode inside the graph: centre and size in pixels, the probability of an
/// object, of each class.
void decode(const HeadSite& site, std::span<const TensorView> outputs, float min_score,
            std::vector<Detection>& found) {
  const int count = classes(site);
  const float* row = outputs[0].span<float>().data();
  for (int64_t i = 0; i < site.outputs[0][1]; ++i, row += 5 + count) {
    if (!(row[4] > min_score)) continue;
    const Box box = centred_box(row[0], row[1], row[2], row[3]);
    for (int c = 0; c < count; ++c)
      if (const float score = row[4] * row[5 + c]; score > min_score) found.push_back({box, score, c});
  }
}

}  // namespace

extern const DetectionHead yolov5_head{"yolov5", 0.001f, 0.6f, classes, decode};

}  // namespace halftone
