#include <fmt/format.h>

#include "cli/command.h"
#include "cli/picture_run.h"
#include "vision/classify/classify.h"
#include "vision/image/image_list.h"

namespace halftone::cli {
namespace {

struct Options {
  VisionOptions vision;
  std::vector<std::string> images;
  int top = 5;
};

OrderedJson scores_json(const std::string& path, const std::vector<ClassScore>& best,
                        const std::vector<std::string>& labels) {
  OrderedJson entry;
  entry["image"] = path;
  entry["classes"] = OrderedJson::array();
  for (const ClassScore& score : best) {
    OrderedJson one;
    one["class"] = score.label;
    one["name"] = label_name(labels, score.label);
    one["probability"] = score.probability;
    entry["classes"].push_back(one);
  }
  return entry;
}

std::string scores_text(const std::string& path, const std::vector<ClassScore>& best,
                        const std::vector<std::string>& labels) {
  std::string text = path + "\n";
  for (const ClassScore& score : best)
    text += fmt::format("  {:5.1f} %  {}\n", score.probability * 100, label_name(labels, score.label));
  return text;
}

void classify(const Options& o) {
  const std::vector<std::string> paths = list_images(o.images);
  OpenVisionModel model = open_vision_model(o.vision);
  OrderedJson report;
  report["model"] = o.vision.model.model;
  show_pictures("classify", model, paths, std::move(report), o.vision.model.json,
                [&](const PreparedImage& image, std::span<const TensorView> outputs) {
                  const auto scores = class_scores(outputs);
                  check_label_count(o.vision, model, scores.size());
                  const auto best = likeliest_classes(scores, o.top);
                  return PictureAnswer{scores_json(image.path, best, model.labels),
                                       scores_text(image.path, best, model.labels)};
                });
}

}  // namespace

void add_classify(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("classify", "Say what pictures show");
  add_picture_arguments(*command, options->vision,
                        "An .onnx file, a Hugging Face folder of a classifier, or a Halftone folder",
                        options->images);
  command->add_option("--top", options->top, "How many classes to name")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add_vision_options(*command, options->vision);
  command->footer(
      "Example:\n  halftone classify vit-base-patch16-224 cat.jpg holiday/\n"
      "  halftone classify resnet50.onnx cat.jpg --preset imagenet --labels imagenet.txt --json");
  command->callback([options] { classify(*options); });
}

}  // namespace halftone::cli
