#include <cmath>

#include "vision/detect/head.h"

namespace halftone {
namespace {

constexpr int kStrides[] = {8, 16, 32};
constexpr int kAnchors = 3;

/// Width and height in pixels, by level (YOLOv7, arXiv:2207.02696; the same for v7 and v7-X at 640).
constexpr float kAnchorSizes[3][kAnchors][2] = {
    {{12, 16}, {19, 36}, {40, 28}}, {{36, 75}, {76, 55}, {72, 146}}, {{142, 110}, {192, 243}, {459, 401}}};

float sigmoid(float x) {
  return 1 / (1 + std::exp(-x));
}

/// Three outputs [1, 3, rows, columns, 5 + classes], finest first: exports without the decoding part.
int classes(const HeadSite& site) {
  const std::vector<Level> levels = levels_of(site, kStrides);
  if (site.outputs.size() != levels.size() || site.outputs[0].rank() != 5) return 0;
  const int64_t width = site.outputs[0][4];
  for (size_t i = 0; i < levels.size(); ++i)
    if (!(site.outputs[i] == Shape{1, kAnchors, levels[i].rows, levels[i].columns, width})) return 0;
  return static_cast<int>(std::max<int64_t>(0, width - 5));
}

/// Logits t: centre = (2 s(t) - 0.5 + cell) stride, size = (2 s(t))^2 anchor, s the sigmoid; then object and
/// classes.
void decode(const HeadSite& site, std::span<const TensorView> outputs, float min_score,
            std::vector<Detection>& found) {
  const int count = classes(site);
  const std::vector<Level> levels = levels_of(site, kStrides);
  for (size_t i = 0; i < levels.size(); ++i) {
    const auto stride = static_cast<float>(levels[i].stride);
    const float* row = outputs[i].span<float>().data();
    for (const auto& anchor : kAnchorSizes[i])
      for (int y = 0; y < levels[i].rows; ++y)
        for (int x = 0; x < levels[i].columns; ++x, row += 5 + count) {
          const float object = sigmoid(row[4]);
          if (!(object > min_score)) continue;
          const float across = 2 * sigmoid(row[2]), down = 2 * sigmoid(row[3]);
          const Box box = centred_box((2 * sigmoid(row[0]) - 0.5f + static_cast<float>(x)) * stride,
                                      (2 * sigmoid(row[1]) - 0.5f + static_cast<float>(y)) * stride,
                                      across * across * anchor[0], down * down * anchor[1]);
          for (int c = 0; c < count; ++c)
            if (const float score = object * sigmoid(row[5 + c]); score > min_score)
              found.push_back({box, score, c});
        }
  }
}

}  // namespace

extern const DetectionHead yolov7_head{"yolov7", 0.001f, 0.65f, classes, decode};

}  // namespace halftone
