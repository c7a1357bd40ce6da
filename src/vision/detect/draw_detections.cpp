#include "vision/detect/draw_detections.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "vision/image/draw.h"
#include "vision/vision_model.h"

namespace halftone {

void draw_detections(Image& image, std::span<const Detection> detections,
                     const std::vector<std::string>& labels) {
  const int size = std::max(1, std::min(image.width, image.height) / 300);
  auto pixel = [](float at, int side) {
    return static_cast<int>(std::lround(std::clamp(at, 0.0f, static_cast<float>(side))));
  };
  for (auto detection = detections.rbegin(); detection != detections.rend(); ++detection) {
    const Box& box = detection->box;
    const int x0 = pixel(box.x0, image.width), x1 = pixel(box.x1, image.width);
    const int y0 = pixel(box.y0, image.height), y1 = pixel(box.y1, image.height);
    const Colour colour = nth_colour(detection->label);
    draw_rectangle(image, x0, y0, x1, y1, size + 1, colour);
    const std::string text =
        fmt::format("{} {:.0f}%", label_name(labels, detection->label), detection->score * 100);
    draw_label(image, x0, y0 - label_height(size), text, size, colour);
  }
}

}  // namespace halftone
