#include "vision/detect/heads/distance_boxes.h"

#include <algorithm>
#include <cmath>

namespace halftone {

Box distance_box(const float* logits, float centre_x, float centre_y, float stride) {
  float distance[4];
  for (int side = 0; side < 4; ++side, logits += kDistanceBins) {
    const float highest = *std::max_element(logits, logits + kDistanceBins);
    float sum = 0, mean = 0;
    for (int bin = 0; bin < kDistanceBins; ++bin) {
      const float weight = std::exp(logits[bin] - highest);
      sum += weight;
      mean += weight * static_cast<float>(bin);
    }
    distance[side] = mean / sum * stride;
  }
  return {centre_x - distance[0], centre_y - distance[1], centre_x + distance[2], centre_y + distance[3]};
}

}  // namespace halftone
