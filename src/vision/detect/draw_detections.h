#pragma once

#include <span>
#include <string>
#include <vector>

#include "vision/detect/detection.h"
#include "vision/image/image.h"

namespace halftone {

/// Draws each box with its class and score; the worst first, so that the best lie on top. Lines and letters
/// grow with the picture.
void draw_detections(Image& image, std::span<const Detection> detections,
                     const std::vector<std::string>& labels);

}  // namespace halftone
