#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"
#include "vision/detect/detection.h"

namespace halftone {

/// What a detector's outputs look like: enough to tell its kind. Unknown dimensions are negative.
struct HeadSite {
  int height = 0;  ///< of the model's input
  int width = 0;
  std::vector<Shape> outputs;  ///< in the model's order; the first dimension is the batch, 1
};

/// One way in which detectors write down what they found.
struct DetectionHead {
  std::string_view name;
  float eval_score;  ///< what its authors evaluate with: detections above this score,
  float eval_iou;    ///< suppressed above this overlap
  /// The number of classes, or 0 when the outputs are of another kind.
  int (*classes)(const HeadSite& site);
  /// Appends every (box, class) whose score is above `min_score`; boxes in pixels of the model's input.
  void (*decode)(const HeadSite& site, std::span<const TensorView> outputs, float min_score,
                 std::vector<Detection>& found);
};

/// Every head (heads.inc).
std::span<const DetectionHead* const> detection_heads();

/// The first head whose outputs are like this, or the one called `name` unless it is empty. Throws
/// UnsupportedError naming the shapes found and the heads known; UsageError for an unknown name.
const DetectionHead& find_head(const HeadSite& site, const std::string& name = "");

/// One level of a head: a grid of cells, row-major, `stride` pixels apart.
struct Level {
  int stride;
  int rows;
  int columns;
  int64_t first;  ///< its first cell among those of all levels

  int64_t cells() const { return int64_t{rows} * columns; }
};

/// The levels of these strides over the model's input, sides rounded up.
std::vector<Level> levels_of(const HeadSite& site, std::span<const int> strides);
int64_t total_cells(std::span<const Level> levels);

/// From centre and size.
inline Box centred_box(float x, float y, float width, float height) {
  return {x - width / 2, y - height / 2, x + width / 2, y + height / 2};
}

}  // namespace halftone
