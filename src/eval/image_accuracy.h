#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "eval/average_precision.h"
#include "eval/coco_annotations.h"
#include "vision/detect/detect.h"

namespace halftone {

/// A picture and the class that it shows.
struct LabelledImage {
  std::string path;
  int label;
};

/// The lines "FILE CLASS" of labels.txt in the folder, CLASS counted from 0. Throws InputError naming the
/// line.
std::vector<LabelledImage> read_labelled_images(const fs::path& folder);

/// How often the right class was the first, or among the first five; 0 to 1.
struct TopAccuracy {
  double top1 = 0;
  double top5 = 0;
  int64_t images = 0;
};

using EvalProgress = std::function<void(int64_t done, int64_t total)>;

/// Throws InputError for a label beyond the model's classes.
TopAccuracy measure_top_accuracy(ImageRunner& runner, std::span<const LabelledImage> images,
                                 const EvalProgress& progress = {});

/// Average precision over all pictures of the annotations; class n of the model is their n-th category.
/// Throws InputError when the model has more classes than there are categories.
AveragePrecision measure_average_precision(ImageRunner& runner, const Detector& detector,
                                           const Detector::Settings& settings,
                                           const CocoAnnotations& annotations, const fs::path& images,
                                           const EvalProgress& progress = {});

}  // namespace halftone
