#pragma once

#include "vision/detect/head.h"
#include "vision/image_runner.h"

namespace halftone {

/// Turns a detector's outputs into boxes on the original picture.
class Detector {
 public:
  struct Settings {
    float min_score;
    float iou;  ///< boxes of a class that overlap more are one
    int most;   ///< boxes a picture
  };

  /// Tells the head from the outputs that the graph promises for pictures of this pre-processing, or takes
  /// the one called `head`. Throws UnsupportedError, UsageError.
  Detector(const Graph& graph, const Preprocess& preprocess, const std::string& head = "");

  const DetectionHead& head() const { return head_; }
  int classes() const { return head_.classes(site_); }

  /// Best first; boxes in pixels of the original, not clipped to it.
  std::vector<Detection> detect(const PreparedImage& image, std::span<const TensorView> outputs,
                                const Settings& settings) const;

 private:
  HeadSite site_;
  const DetectionHead& head_;
};

}  // namespace halftone
