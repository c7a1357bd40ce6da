#include "cli/evaluate_pictures.h"

#include <fmt/format.h>

#include "base/error.h"
#include "cli/device.h"
#include "cli/progress.h"
#include "eval/image_accuracy.h"
#include "vision/image/image_list.h"

namespace halftone::cli {
namespace {

constexpr int kMostBoxes = 100;  ///< a picture, as COCO counts

}  // namespace

ReceiptPictures evaluate_pictures(const QuantizeCommand& command, const Graph& quantized,
                                  ThreadPool& threads) {
  VisionModel original = load_vision_model(command.model);
  if (!original.preprocess)
    throw UsageError("{}: nothing says how its pictures are prepared; put a {}.preprocess.json beside it",
                     original.name, fs::path(original.name).stem().string());
  const PreprocessSource& source = *original.preprocess;
  const Preprocess preprocess =
      fit_to_model(parse_preprocess(source.json, source.source), image_input(original.graph), source.source);
  const auto runner = [&](const Graph& graph) {
    CompileOptions options;
    options.backend = backend_for_device("cpu");
    return ImageRunner(compile(graph, options, threads), preprocess, threads);
  };
  ImageRunner model = runner(quantized), reference = runner(original.graph);

  ReceiptPictures result;
  Progress progress("measuring", command.json);
  const EvalProgress tell = [&](int64_t done, int64_t total) { progress.update(done, total); };
  if (command.annotations.empty()) {
    const auto images = read_labelled_images(command.eval_images);
    result.classes = compare_classifiers(model, reference, images, tell);
    result.protocol = fmt::format("{} pictures of {}", images.size(), command.eval_images);
  } else {
    const CocoAnnotations annotations = read_coco_annotations(command.annotations);
    const fs::path images = picture_folder(command.eval_images);
    const auto measure = [&](ImageRunner& run) {
      const Detector detector(run.graph(), preprocess, "");
      const Detector::Settings settings{detector.head().eval_score, detector.head().eval_iou, kMostBoxes};
      return measure_average_precision(run, detector, settings, annotations, images, tell);
    };
    result.boxes = {measure(model), measure(reference)};
    result.protocol =
        fmt::format("COCO boxes, {} pictures of {}", annotations.pictures.size(), images.string());
  }
  progress.finish();
  result.protocol += fmt::format(", pre-processing {}", source.source);
  return result;
}

}  // namespace halftone::cli
