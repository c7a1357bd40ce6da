#include "cli/evaluate_pictures.h"

#include <fmt/format.h>

#include "base/error.h"
#include "cli/broken_pictures.h"
#include "cli/device.h"
#include "cli/graph_options.h"
#include "cli/progress.h"
#include "vision/image/image_list.h"

namespace halftone::cli {
namespace {

constexpr int kMostBoxes = 100;  ///< a picture, as COCO counts

const PreprocessSource& preprocess_of(const VisionModel& model) {
  if (!model.preprocess)
    throw UsageError("{}: nothing says how its pictures are prepared; put a {}.preprocess.json beside it",
                     model.name, fs::path(model.name).stem().string());
  return *model.preprocess;
}

}  // namespace

PictureEvaluation::PictureEvaluation(const QuantizeCommand& command, const VisionModel& model)
    : original_(command.model),
      folder_(command.eval_images),
      fixed_(command.fixed),
      quiet_(command.json),
      preprocess_(preprocess_of(model)) {
  if (command.annotations.empty())
    pictures_ = read_labelled_images(folder_);
  else
    pictures_ = read_coco_annotations(command.annotations);
}

ReceiptPictures PictureEvaluation::measure(const Graph& quantized, ThreadPool& threads) const {
  const VisionModel original = load_vision_model(original_, onnx_options(fixed_));
  const Preprocess preprocess = fit_to_model(parse_preprocess(preprocess_.json, preprocess_.source),
                                             image_input(original.graph), preprocess_.source);
  const auto runner = [&](const Graph& graph) {
    CompileOptions options;
    options.backend = backend_for_device("cpu");
    return ImageRunner(compile(graph, options, threads), preprocess, threads);
  };
  ImageRunner model = runner(quantized), reference = runner(original.graph);

  ReceiptPictures result;
  Progress progress("measuring", quiet_);
  const EvalProgress tell = [&](int64_t done, int64_t total) { progress.update(done, total); };
  if (const auto* images = std::get_if<std::vector<LabelledImage>>(&pictures_)) {
    result.pictures = images->size();
    BrokenPictures broken(reference, result.pictures);
    broken.watch(model);
    result.classes = compare_classifiers(model, reference, *images, tell);
    broken.check_some_are_whole();
    result.unreadable = broken.count();
    result.protocol = fmt::format("{} pictures of {}", result.classes->model.images, folder_);
  } else {
    const auto& annotations = std::get<CocoAnnotations>(pictures_);
    const fs::path folder = picture_folder(folder_);
    result.pictures = annotations.pictures.size();
    const BrokenPictures broken(model, result.pictures);
    if (result.pictures > 1) reference.pass_over_broken([](const std::string&) {});
    const auto measured = [&](ImageRunner& run) {
      const Detector detector(run.graph(), preprocess, "");
      const Detector::Settings settings{detector.head().eval_score, detector.head().eval_iou, kMostBoxes};
      return measure_average_precision(run, detector, settings, annotations, folder, tell);
    };
    const AveragePrecision ours = measured(model);
    broken.check_some_are_whole();
    result.boxes = {ours, measured(reference)};
    result.unreadable = broken.count();
    result.protocol = fmt::format("COCO boxes, {} pictures of {}", result.pictures, folder.string());
  }
  progress.finish();
  result.protocol += fmt::format(", pre-processing {}", preprocess_.source);
  return result;
}

}  // namespace halftone::cli
