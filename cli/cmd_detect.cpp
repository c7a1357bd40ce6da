#include <fmt/format.h>
#include <map>

#include "base/error.h"
#include "base/write_file.h"
#include "cli/command.h"
#include "cli/picture_run.h"
#include "vision/detect/detect.h"
#include "vision/detect/draw_detections.h"
#include "vision/image/image_file.h"
#include "vision/image/image_list.h"

namespace halftone::cli {
namespace {

struct Options {
  VisionOptions vision;
  std::vector<std::string> images;
  std::string out;
  std::string head;
  Detector::Settings settings{0.3f, 0.6f, 100};
};

OrderedJson detections_json(const PreparedImage& image, const std::vector<Detection>& detections,
                            const std::vector<std::string>& labels) {
  OrderedJson entry;
  entry["image"] = image.path;
  entry["width"] = image.width;
  entry["height"] = image.height;
  entry["detections"] = OrderedJson::array();
  for (const Detection& detection : detections) {
    OrderedJson one;
    one["class"] = detection.label;
    one["name"] = label_name(labels, detection.label);
    one["score"] = detection.score;
    one["box"] = {detection.box.x0, detection.box.y0, detection.box.x1, detection.box.y1};
    entry["detections"].push_back(one);
  }
  return entry;
}

/// "a.jpg: 2 person, 1 dog"
std::string summary_text(const std::string& path, const std::vector<Detection>& detections,
                         const std::vector<std::string>& labels) {
  std::map<std::string, int> counts;
  for (const Detection& detection : detections) ++counts[label_name(labels, detection.label)];
  std::string text;
  for (const auto& [name, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, name);
  return fmt::format("{}: {}\n", path, text.empty() ? "nothing" : text);
}

/// Pictures keep their names; those that are neither PNG nor JPEG become PNG. Two of one name, their endings
/// aside, would overwrite each other's boxes.
std::map<std::string, fs::path> output_paths(const std::vector<std::string>& images, const fs::path& folder) {
  std::map<std::string, fs::path> paths;
  std::map<fs::path, std::string> taken;
  for (const std::string& image : images) {
    fs::path name = fs::path(image).filename();
    const fs::path kind = name.extension();
    if (kind != ".png" && kind != ".jpg" && kind != ".jpeg") name.replace_extension(".png");
    const fs::path boxes = fs::path(name).replace_extension(".json");
    const auto [there, fresh] = taken.emplace(boxes, image);
    if (!fresh && there->second != image)
      throw UsageError("--out {}: boxes of {} and {} would both be written to {}", folder.string(),
                       there->second, image, boxes.string());
    paths[image] = folder / name;
    if (fs::exists(paths[image]) && fs::equivalent(paths[image], image))
      throw UsageError("--out {}: {} would overwrite itself", folder.string(), image);
  }
  return paths;
}

void detect(const Options& o) {
  const std::vector<std::string> paths = list_images(o.images);
  const auto targets = o.out.empty() ? std::map<std::string, fs::path>() : output_paths(paths, o.out);
  OpenVisionModel model = open_vision_model(o.vision);
  const Detector detector(model.runner->graph(), model.preprocess, o.head);
  check_label_count(o.vision, model, static_cast<size_t>(detector.classes()));
  if (!o.out.empty()) {
    make_folder(o.out);
    model.runner->keep_originals();
  }
  OrderedJson report;
  report["model"] = o.vision.model.model;
  report["head"] = detector.head().name;
  show_pictures("detect", model, paths, std::move(report), o.vision.model.json,
                [&](const PreparedImage& image, std::span<const TensorView> outputs) {
                  const auto detections = detector.detect(image, outputs, o.settings);
                  OrderedJson entry = detections_json(image, detections, model.labels);
                  if (!o.out.empty()) {
                    Image drawn = image.original;
                    draw_detections(drawn, detections, model.labels);
                    const fs::path target = targets.at(image.path);
                    write_image(drawn, target);
                    write_file(fs::path(target).replace_extension(".json"), entry.dump(2) + "\n");
                  }
                  return PictureAnswer{std::move(entry), summary_text(image.path, detections, model.labels)};
                });
}

}  // namespace

void add_detect(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("detect", "Find objects in pictures and draw boxes around them");
  add_picture_arguments(*command, options->vision, "An .onnx file or a Halftone folder of a detector",
                        options->images);
  command->add_option("-o,--out", options->out, "Write pictures with boxes, and NAME.json, into this folder")
      ->type_name("DIR");
  command->add_option("--score", options->settings.min_score, "Least score of a detection")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--iou", options->settings.iou, "Boxes of a class that overlap more than this are one")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--head", options->head, "How outputs are read, where their shapes do not tell")
      ->type_name("NAME");
  add_vision_options(*command, options->vision);
  command->footer(
      "Example:\n  halftone detect yolox_s.onnx street.jpg --out boxes\n"
      "  halftone detect yolov8n.onnx 'photos/*.jpg' --preset yolo --score 0.4 --json");
  command->callback([options] { detect(*options); });
}

}  // namespace halftone::cli
