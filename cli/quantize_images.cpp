#include "cli/quantize_images.h"

#include <chrono>

#include "base/error.h"
#include "cli/graph_samples.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "cli/quantize_output.h"
#include "formats/halftone_folder.h"
#include "formats/open_graph.h"
#include "llm/generate.h"
#include "tune/memory_watch.h"

namespace halftone::cli {
bool takes_pictures(const fs::path& model) {
  if (fs::is_directory(model))
    return fs::exists(model / "preprocess.json") || fs::exists(model / "preprocessor_config.json");
  return is_onnx_file(model);
}

Recipe with_static_flags(Recipe recipe, const StaticFlags& flags) {
  if (flags.observer.empty() && flags.requantization.empty() && flags.measure) return recipe;
  if (!recipe.static_activations)
    throw UsageError(
        "recipe {} has no static activations: --observer, --requantization and --no-measure do nothing",
        recipe.name);
  StaticActivations& settings = *recipe.static_activations;
  if (!flags.observer.empty()) settings.observer.method = flags.observer;
  if (!flags.requantization.empty())
    settings.requantization =
        flags.requantization == "fixed" ? Requantization::fixed : Requantization::floating;
  settings.measure = settings.measure && flags.measure;
  return recipe;
}

Receipt quantize_images(const QuantizeCommand& command) {
  Recipe recipe = with_static_flags(recipe_from_flag(command.recipe), command.static_flags);
  if (command.target == "tensorrt" && recipe.static_activations) recipe.static_activations->symmetric = true;
  const auto start = std::chrono::steady_clock::now();
  MemoryWatch memory;
  ThreadPool threads(command.threads);
  VisionModel model = load_vision_model(command.model);

  Receipt receipt;
  receipt.model = command.model;
  receipt.output = command.output;
  receipt.recipe = recipe.name;
  receipt.before = weight_size(model.graph);
  check_format(command, model.graph, recipe, companion_files(command.model));
  GraphSamples samples;
  if (const GraphSampleOptions asked{command.calibration.path, command.calibration.input_list}; asked.any()) {
    samples = open_graph_samples(asked, model);
    receipt.calibration = samples.protocol;
  }
  Progress progress("quantizing", command.json);
  QuantizeOptions options;
  options.data = samples.data.get();
  options.threads = &threads;
  options.backend = backend_for_device("cpu");
  options.memory = command.calibration.memory;
  options.seed = command.calibration.text.seed;
  options.blocks = command.blocks;
  options.progress = [&](int done, int total, const std::string&) { progress.update(done, total); };
  receipt.report = quantize_graph(model.graph, recipe, options);
  if (!command.output.empty()) {
    std::vector<CompanionFile> companions = companion_files(command.model);
    if (!fs::is_directory(command.model) && model.preprocess)
      companions.push_back({"preprocess.json", model.preprocess->json.dump(2) + "\n"});
    write_quantized(command, receipt, model.graph, companions, progress);
  }
  receipt.after = weight_size(model.graph);
  progress.finish();
  receipt.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  receipt.peak_memory = peak_memory_bytes();
  receipt.peak_anonymous = memory.peak_bytes();
  receipt.not_evaluated = "a model of pictures: see halftone eval top1, eval map and compare";
  if (!command.output.empty()) write_receipt(receipt, command.output);
  return receipt;
}

}  // namespace halftone::cli
