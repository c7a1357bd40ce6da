#pragma once

#include <string>
#include <vector>

#include "quant/calib/calibration.h"
#include "vision/vision_model.h"

namespace halftone {

/// Pictures as samples for calibrating and comparing: each is read and prepared anew when it is asked for,
/// one a run.
class ImageSamples : public CalibrationData {
 public:
  /// `preprocess` must be fit_to_model()'s. Throws UnsupportedError for a model that wants several pictures
  /// at a time.
  ImageSamples(std::vector<std::string> paths, const Preprocess& preprocess, const ImageInput& input);

  int samples() const override { return static_cast<int>(paths_.size()); }
  /// Throws InputError when the picture is broken.
  std::map<std::string, Tensor> sample(int index) const override;

 private:
  std::vector<std::string> paths_;
  Preprocess preprocess_;
  std::string input_;
};

}  // namespace halftone
