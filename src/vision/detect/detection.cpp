#include "vision/detect/detection.h"

#include <algorithm>
#include <map>

namespace halftone {
namespace {

constexpr size_t kMaxCandidates = 30000;  ///< the best of them; a model that finds more is broken

bool better(const Detection& a, const Detection& b) {
  return a.score > b.score;
}

}  // namespace

float intersection_over_union(const Box& a, const Box& b) {
  const float width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
  const float height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  if (!(width > 0) || !(height > 0)) return 0;
  const float shared = width * height;
  return shared / (a.area() + b.area() - shared);
}

std::vector<Detection> suppress_overlaps(std::vector<Detection> detections, float iou, int most) {
  std::stable_sort(detections.begin(), detections.end(), better);
  if (detections.size() > kMaxCandidates) detections.resize(kMaxCandidates);
  std::map<int, std::vector<Box>> kept_boxes;
  std::vector<Detection> kept;
  for (const Detection& candidate : detections) {
    if (kept.size() == static_cast<size_t>(most)) break;
    std::vector<Box>& better_ones = kept_boxes[candidate.label];
    const bool covered = std::any_of(better_ones.begin(), better_ones.end(), [&](const Box& box) {
      return intersection_over_union(box, candidate.box) > iou;
    });
    if (covered) continue;
    better_ones.push_back(candidate.box);
    kept.push_back(candidate);
  }
  return kept;
}

}  // namespace halftone
