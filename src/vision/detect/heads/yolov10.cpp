#include "vision/detect/head.h"

namespace halftone {
namespace {

constexpr int kRow = 6;
constexpr int kNamedClasses = 80;  ///< the output does not tell; what labels default to

/// One output [1, boxes, 6], the best boxes already.
int classes(const HeadSite& site) {
  if (site.outputs.size() != 1 || site.outputs[0].rank() != 3 || site.outputs[0][0] != 1) return 0;
  return site.outputs[0][2] == kRow && site.outputs[0][1] > 0 ? kNamedClasses : 0;
}

/// YOLOv10 needs no suppression: corners in pixels, score, class.
void decode(const HeadSite& site, std::span<const TensorView> outputs, float min_score,
            std::vector<Detection>& found) {
  const float* row = outputs[0].span<float>().data();
  for (int64_t i = 0; i < site.outputs[0][1]; ++i, row += kRow)
    if (row[4] > min_score && row[5] >= 0 && row[5] < 1e6f)
      found.push_back({{row[0], row[1], row[2], row[3]}, row[4], static_cast<int>(row[5])});
}

}  // namespace

extern const DetectionHead yolov10_head{"yolov10", 0.001f, 1.0f, classes, decode};

}  // namespace halftone
