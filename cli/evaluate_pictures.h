#pragma once

#include <variant>

#include "cli/quantize_run.h"
#include "eval/coco_annotations.h"
#include "eval/image_accuracy.h"
#include "vision/vision_model.h"

namespace halftone::cli {

/// The pictures of --eval-images, on which a quantized model and its original are measured: average precision
/// where --annotations is given, top-1 otherwise.
class PictureEvaluation {
 public:
  /// Reads what says which pictures there are, before minutes go into quantizing. Throws InputError, and
  /// UsageError when nothing says how the model's pictures are prepared.
  PictureEvaluation(const QuantizeCommand& command, const VisionModel& model);

  /// Past broken pictures, each named on stderr: a receipt does not get lost over one. Throws InputError when
  /// none can be read.
  ReceiptPictures measure(const Graph& quantized, ThreadPool& threads) const;

 private:
  std::string original_, folder_;
  FixedParts fixed_;
  bool quiet_;
  PreprocessSource preprocess_;
  std::variant<std::vector<LabelledImage>, CocoAnnotations> pictures_;
};

}  // namespace halftone::cli
