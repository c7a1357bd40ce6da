#include "vision/detect/heads/distance_boxes.h"

namespace halftone {
namespace {

constexpr int kStrides[] = {8, 16, 32};
constexpr int64_t kBoxWidth = 4 * kDistanceBins;

/// Which output holds what of a level.
struct LevelOutputs {
  int scores = -1;
  int boxes = -1;
};

/// For each level two outputs [1, cells, classes] and [1, cells, 32], in any order (scores first, were they
/// alike).
std::vector<LevelOutputs> match(const HeadSite& site) {
  const std::vector<Level> levels = levels_of(site, kStrides);
  std::vector<LevelOutputs> matched(levels.size());
  if (site.outputs.size() != 2 * levels.size()) return {};
  for (size_t i = 0; i < site.outputs.size(); ++i) {
    const Shape& shape = site.outputs[i];
    if (shape.rank() != 3 || shape[0] != 1) return {};
    for (size_t l = 0; l < levels.size(); ++l) {
      if (shape[1] != levels[l].cells()) continue;
      int& place = shape[2] == kBoxWidth && matched[l].boxes < 0 ? matched[l].boxes : matched[l].scores;
      if (place >= 0) return {};
      place = static_cast<int>(i);
    }
  }
  for (LevelOutputs& level : matched) {
    if (level.scores < 0 || level.boxes < 0) return {};
    const bool alike = site.outputs[static_cast<size_t>(level.scores)][2] == kBoxWidth;
    if (alike && level.boxes < level.scores) std::swap(level.boxes, level.scores);
  }
  return matched;
}

int classes(const HeadSite& site) {
  const std::vector<LevelOutputs> matched = match(site);
  if (matched.empty()) return 0;
  const int64_t count = site.outputs[static_cast<size_t>(matched[0].scores)][2];
  for (const LevelOutputs& level : matched)
    if (site.outputs[static_cast<size_t>(level.scores)][2] != count) return 0;
  return static_cast<int>(count);
}

/// NanoDet: class probabilities, and distances from the middle of a cell's pixels to the sides.
void decode(const HeadSite& site, std::span<const TensorView> outputs, float min_score,
            std::vector<Detection>& found) {
  const int count = classes(site);
  const std::vector<Level> levels = levels_of(site, kStrides);
  const std::vector<LevelOutputs> matched = match(site);
  for (size_t l = 0; l < levels.size(); ++l) {
    const auto stride = static_cast<float>(levels[l].stride);
    const float* scores = outputs[static_cast<size_t>(matched[l].scores)].span<float>().data();
    const float* logits = outputs[static_cast<size_t>(matched[l].boxes)].span<float>().data();
    for (int y = 0; y < levels[l].rows; ++y)
      for (int x = 0; x < levels[l].columns; ++x, scores += count, logits += kBoxWidth)
        for (int c = 0; c < count; ++c) {
          if (!(scores[c] > min_score)) continue;
          const float centre_x = static_cast<float>(x) * stride + 0.5f * (stride - 1);
          const float centre_y = static_cast<float>(y) * stride + 0.5f * (stride - 1);
          found.push_back({distance_box(logits, centre_x, centre_y, stride), scores[c], c});
        }
  }
}

}  // namespace

extern const DetectionHead nanodet_head{"nanodet", 0.05f, 0.6f, classes, decode};

}  // namespace halftone
