#pragma once

#include <vector>

namespace halftone {

/// Corners in pixels; x1 and y1 lie outside.
struct Box {
  float x0 = 0, y0 = 0, x1 = 0, y1 = 0;

  float width() const { return x1 - x0; }
  float height() const { return y1 - y0; }
  float area() const { return width() * height(); }
};

/// Something found in a picture.
struct Detection {
  Box box;
  float score = 0;  ///< 0 to 1
  int label = 0;    ///< number of the class
};

/// Shared area over the area of both together; 0 for boxes that do not touch.
float intersection_over_union(const Box& a, const Box& b);

/// Of each class keeps the best, drops those of the class that overlap it by more than `iou`, and so on
/// (greedy non-maximum suppression). The `most` best of all classes, best first; equal scores keep their
/// order.
std::vector<Detection> suppress_overlaps(std::vector<Detection> detections, float iou, int most);

}  // namespace halftone
