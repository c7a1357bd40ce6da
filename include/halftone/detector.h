#pragma once

#include "halftone/model.h"

namespace halftone::sdk {

struct DetectorOptions {
  int threads = 0;
  std::string preset;  ///< how the model wants pictures (docs/formats/preprocess.md); empty: its files say
  float min_score = 0.3f;
  float overlap = 0.6f;  ///< boxes of a class that overlap more (intersection over union) are one
  int most = 100;        ///< boxes a picture
};

struct Detection {
  int label = 0;
  std::string name;  ///< of the class
  float score = 0;
  float left = 0, top = 0, right = 0, bottom = 0;  ///< pixels of the picture, not clipped to it
};

/// A detector (YOLOX, YOLOv5, v7, v8 to v11, NanoDet): an .onnx file or a folder that `halftone quantize`
/// wrote.
class HALFTONE_API Detector {
 public:
  static Detector load(const std::filesystem::path& path, const DetectorOptions& options = {});
  Detector(Detector&&) noexcept;
  Detector& operator=(Detector&&) noexcept;
  ~Detector();

  /// Of a JPEG, PNG or WebP file; best first.
  std::vector<Detection> detect(const std::filesystem::path& picture);

 private:
  struct Impl;
  explicit Detector(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace halftone::sdk
