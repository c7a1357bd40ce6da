#include <chrono>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/memory_check.h"
#include "cli/progress.h"
#include "cli/vision_options.h"
#include "llm/generate.h"
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
  const bool json = o.vision.model.json;
  OrderedJson report;
  report["model"] = o.vision.model.model;
  report["preprocess"] = model.preprocess_source;
  report["images"] = OrderedJson::array();

  const auto start = std::chrono::steady_clock::now();
  Progress progress("classify", json);
  size_t done = 0;
  model.runner->run(paths, [&](const PreparedImage& image, std::span<const TensorView> outputs) {
    const auto best = likeliest_classes(class_scores(outputs), o.top);
    if (json) {
      report["images"].push_back(scores_json(image.path, best, model.labels));
    } else {
      progress.finish();
      print_text(scores_text(image.path, best, model.labels));
    }
    progress.update(static_cast<int64_t>(++done), static_cast<int64_t>(paths.size()));
  });
  progress.finish();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!json) {
    print_text(throughput_text(*model.runner, paths.size(), seconds));
    return print_text(memory_text(model.planned_bytes) + "\n");
  }
  report["seconds"] = seconds;
  report["planned_memory_bytes"] = model.planned_bytes;
  report["peak_memory_bytes"] = peak_memory_bytes();
  print_json(report);
}

}  // namespace

void add_classify(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("classify", "Say what pictures show");
  command
      ->add_option("MODEL", options->vision.model.model,
                   "An .onnx file, a Hugging Face folder of a classifier, or a Halftone folder")
      ->required()
      ->type_name("PATH");
  command->add_option("IMAGE", options->images, "Pictures, folders of pictures, patterns (JPEG, PNG, WebP)")
      ->required()
      ->type_name("PATH...");
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
