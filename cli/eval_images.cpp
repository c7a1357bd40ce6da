#include "cli/eval_images.h"

#include <chrono>
#include <fmt/format.h>

#include "cli/broken_pictures.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/vision_options.h"
#include "tune/receipt.h"
#include "vision/image/image_list.h"

namespace halftone::cli {
namespace {

constexpr int kMostBoxes = 100;  ///< a picture, as COCO counts

struct Options {
  VisionOptions vision;
  std::string images;
  std::string annotations;
  std::string head;
  std::string reference;
  float min_score = -1;  ///< -1: what the head's authors evaluate with
  float iou = -1;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// eval top1 --reference: both on the same pictures.
void eval_against(const Options& o, std::span<const LabelledImage> images) {
  require_onnx({o.vision.model.model, o.reference}, o.vision.fixed);
  const auto open = [&](const std::string& path) {
    VisionOptions one = o.vision;
    one.model.model = path;
    one.fixed = fixed_of(path, o.vision.fixed);
    return open_vision_model(one);
  };
  OpenVisionModel model = open(o.vision.model.model), reference = open(o.reference);
  Progress progress("top-1 of both", o.vision.model.json);
  BrokenPictures broken(*reference.runner, images.size());
  broken.watch(*model.runner);
  ReceiptPictures both;
  both.classes = compare_classifiers(*model.runner, *reference.runner, images,
                                     [&](int64_t done, int64_t total) { progress.update(done, total); });
  progress.finish();
  broken.check_some_are_whole();
  both.protocol = fmt::format("{} pictures of {}, pre-processing {}", both.classes->model.images, o.images,
                              model.preprocess_source);
  both.pictures = images.size();
  both.unreadable = broken.count();
  if (o.vision.model.json) {
    print_json(pictures_json(both));
    return broken.finish();
  }
  for (const auto& [name, figures] : picture_rows(both)) print_text(fmt::format("{}: {}\n", name, figures));
  print_text(fmt::format("Protocol: {}\n", both.protocol));
  broken.finish();
}

void eval_top1(const Options& o) {
  const auto images = read_labelled_images(o.images);
  if (!o.reference.empty()) return eval_against(o, images);
  OpenVisionModel model = open_vision_model(o.vision);
  const auto start = std::chrono::steady_clock::now();
  Progress progress("top-1", o.vision.model.json);
  const BrokenPictures broken(*model.runner, images.size());
  const TopAccuracy result = measure_top_accuracy(
      *model.runner, images, [&](int64_t done, int64_t total) { progress.update(done, total); });
  progress.finish();
  broken.check_some_are_whole();
  if (o.vision.model.json) {
    OrderedJson report;
    report["top1"] = result.top1 * 100;
    report["top5"] = result.top5 * 100;
    report["images"] = result.images;
    broken.add_to(report);
    report["preprocess"] = model.preprocess_source;
    report["seconds"] = seconds_since(start);
    print_json(report);
    return broken.finish();
  }
  print_text(fmt::format("Top-1   {:.2f} %\nTop-5   {:.2f} %\n", result.top1 * 100, result.top5 * 100));
  print_text(throughput_text(*model.runner, static_cast<size_t>(result.images), seconds_since(start)));
  broken.finish();
}

void eval_map(const Options& o) {
  const CocoAnnotations annotations = read_coco_annotations(o.annotations);
  const fs::path images = picture_folder(o.images);
  OpenVisionModel model = open_vision_model(o.vision);
  const Detector detector(model.runner->graph(), model.preprocess, o.head);
  const Detector::Settings settings{o.min_score < 0 ? detector.head().eval_score : o.min_score,
                                    o.iou < 0 ? detector.head().eval_iou : o.iou, kMostBoxes};
  const auto start = std::chrono::steady_clock::now();
  Progress progress("average precision", o.vision.model.json);
  const BrokenPictures broken(*model.runner, annotations.pictures.size());
  const AveragePrecision result =
      measure_average_precision(*model.runner, detector, settings, annotations, images,
                                [&](int64_t done, int64_t total) { progress.update(done, total); });
  progress.finish();
  broken.check_some_are_whole();
  const std::pair<const char*, double> rows[] = {{"ap", result.ap},
                                                 {"ap50", result.ap50},
                                                 {"ap75", result.ap75},
                                                 {"ap_small", result.ap_small},
                                                 {"ap_medium", result.ap_medium},
                                                 {"ap_large", result.ap_large}};
  // -1 stands for "no object of that size".
  auto percent = [](double value) { return value < 0 ? -1 : value * 100; };
  if (o.vision.model.json) {
    OrderedJson report;
    for (const auto& [key, value] : rows) report[key] = percent(value);
    report["images"] = annotations.pictures.size();
    broken.add_to(report);
    report["head"] = detector.head().name;
    report["preprocess"] = model.preprocess_source;
    report["min_score"] = settings.min_score;
    report["iou"] = settings.iou;
    report["seconds"] = seconds_since(start);
    print_json(report);
    return broken.finish();
  }
  for (const auto& [key, value] : rows)
    print_text(value < 0 ? fmt::format("{:<10}none of that size\n", key)
                         : fmt::format("{:<10}{:.2f} %\n", key, value * 100));
  print_text(fmt::format(
      "Protocol: COCO boxes, 101 recalls, head {}, scores above {}, boxes of a class that overlap "
      "by more than {} suppressed, {} best a picture\n",
      detector.head().name, settings.min_score, settings.iou, kMostBoxes));
  print_text(throughput_text(*model.runner, annotations.pictures.size(), seconds_since(start)));
  broken.finish();
}

void add_common(CLI::App& command, Options& options) {
  command
      .add_option("-m,--model", options.vision.model.model,
                  "An .onnx file, a Hugging Face folder of a classifier, or a Halftone folder")
      ->required()
      ->type_name("PATH");
  add_vision_options(command, options.vision);
}

}  // namespace

void add_eval_images(CLI::App& eval) {
  auto top = std::make_shared<Options>();
  CLI::App* top1 =
      eval.add_subcommand("top1", "Top-1 and top-5 accuracy of a classifier over labelled pictures");
  add_common(*top1, *top);
  top1->add_option("--images", top->images, "A folder of pictures with labels.txt: FILE CLASS, a line each")
      ->required()
      ->type_name("DIR");
  top1->add_option("--reference", top->reference,
                   "The original: print both, how often they agree, the divergence, a paired interval")
      ->type_name("PATH");
  top1->footer("Example:\n  halftone eval top1 -m vit-base-patch16-224 --images imagenet_500 --json");
  top1->callback([top] { eval_top1(*top); });

  auto boxes = std::make_shared<Options>();
  CLI::App* map =
      eval.add_subcommand("map", "COCO's average precision of a detector over annotated pictures");
  add_common(*map, *boxes);
  map->add_option("--images", boxes->images, "The folder of the pictures")->required()->type_name("DIR");
  map->add_option("--annotations", boxes->annotations, "COCO's instances.json")
      ->required()
      ->type_name("JSON");
  map->add_option("--score", boxes->min_score, "Least score of a detection (the head's own)")
      ->check(CLI::Range(0.0, 1.0));
  map->add_option("--iou", boxes->iou, "Overlap above which boxes of a class are one (the head's own)")
      ->check(CLI::Range(0.0, 1.0));
  map->add_option("--head", boxes->head, "How outputs are read, where their shapes do not tell")
      ->type_name("NAME");
  map->footer(
      "Example:\n  halftone eval map -m yolox_s.onnx --images val2017 --annotations instances_val2017.json");
  map->callback([boxes] { eval_map(*boxes); });
}

}  // namespace halftone::cli
