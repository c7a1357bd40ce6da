#include "cli/quantize_images.h"

#include <chrono>
#include <fmt/ranges.h>

#include "base/error.h"
#include "cli/device.h"
#include "cli/evaluate_pictures.h"
#include "cli/graph_options.h"
#include "cli/graph_samples.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "cli/quantize_output.h"
#include "formats/halftone_folder.h"
#include "formats/open_graph.h"
#include "llm/generate.h"
#include "quant/encodings/quantize_with_encodings.h"
#include "tune/memory_watch.h"

namespace halftone::cli {
bool takes_pictures(const fs::path& model) {
  if (fs::is_directory(model))
    return fs::exists(model / "preprocess.json") || fs::exists(model / "preprocessor_config.json");
  return is_onnx_file(model);
}

namespace {

/// --observer of a recipe without static activations: how scales are fitted to the weights.
Recipe with_observed_weights(Recipe recipe, const StaticFlags& flags) {
  const auto rounding = std::find_if(recipe.algorithms.begin(), recipe.algorithms.end(),
                                     [](const AlgorithmStep& step) { return step.name == "rtn"; });
  if (rounding == recipe.algorithms.end())
    throw UsageError("--observer: recipe {} does not round to nearest: its algorithm chooses the scales",
                     recipe.name);
  if (flags.observer == "moving-average")
    throw UsageError(
        "--observer moving-average averages over samples, and weights have none: minmax, "
        "percentile or mse");
  if (flags.observer == "entropy")
    throw UsageError(
        "--observer entropy compares histograms, and the weights under one scale are too few for "
        "one: minmax, percentile or mse");
  if (flags.observer == "search")
    throw UsageError(
        "--observer search weighs ranges of activations by what they do to the model, and weights have "
        "their own: minmax, percentile or mse");
  rounding->settings = {};
  if (flags.observer == "mse") rounding->settings = {{"search_scales", 1}};
  if (flags.observer == "percentile")
    rounding->settings = {{"percentile", flags.percentile ? flags.percentile : ObserverOptions().percentile}};
  return recipe;
}

}  // namespace

Recipe with_static_flags(Recipe recipe, const StaticFlags& flags) {
  if (!flags.any()) return recipe;
  const bool own = flags.observer.empty() && recipe.static_activations &&
                   (recipe.static_activations->observer.method == "percentile" ||
                    recipe.static_activations->observer.method == "search");
  if (flags.percentile != 0 && flags.observer != "percentile" && !own)
    throw UsageError("--percentile belongs to --observer percentile");
  if (!recipe.static_activations && flags.only_ranges())
    return with_observed_weights(std::move(recipe), flags);
  if (!recipe.static_activations)
    throw UsageError(
        "recipe {} has no static activations: --requantization, --no-measure, --no-even-channels, "
        "--integer-only, --softmax and --gelu do nothing",
        recipe.name);
  StaticActivations& settings = *recipe.static_activations;
  if (!flags.observer.empty()) settings.observer.method = flags.observer;
  if (flags.percentile != 0) {
    settings.observer.method = "percentile";
    settings.observer.percentile = flags.percentile;
  }
  if (!flags.requantization.empty())
    settings.requantization =
        flags.requantization == "fixed" ? Requantization::fixed : Requantization::floating;
  settings.measure = settings.measure && flags.measure;
  settings.even_channels = settings.even_channels && flags.even_channels;
  if (flags.integer_only) settings.integer_only = true;
  if (!flags.softmax.empty()) settings.log2_softmax = flags.softmax == "log2";
  if (!flags.gelu.empty()) {
    settings.twin_gelu = flags.gelu == "twin";
    settings.polynomial_gelu = flags.gelu == "polynomial";
  }
  return recipe;
}

namespace {

/// "3 of them (a, b, c)", the first few by name.
std::string some_names(const std::vector<std::string>& names) {
  constexpr size_t kNamed = 5;
  const bool all = names.size() <= kNamed;
  return fmt::format(
      "{} ({}{})", names.size(),
      fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(kNamed, names.size())),
                ", "),
      all ? "" : ", ...");
}

/// Quantizes, by the scales of --encodings where there is such a file.
void quantize(const QuantizeCommand& command, const Recipe& recipe, const QuantizeOptions& options,
              Graph& graph, Receipt& receipt) {
  if (command.encodings.empty()) {
    receipt.report = quantize_graph(graph, recipe, options);
    return;
  }
  if (!recipe.static_activations)
    throw UsageError("recipe {} has no static activations: --encodings does nothing", recipe.name);
  const EncodingFile file = read_encodings(command.encodings);
  QuantizationWithEncodings made = quantize_with_encodings(graph, recipe, options, file);
  receipt.report = std::move(made.report);
  const AppliedEncodings& applied = made.applied;
  if (!options.data && !applied.unnamed.empty())
    throw UsageError("{} says nothing of {} values: they need calibration data (--calib FOLDER)",
                     command.encodings, some_names(applied.unnamed));
  receipt.remarks.push_back(fmt::format("{}: scales of {} activations and {} weights", command.encodings,
                                        applied.activations, applied.parameters));
  if (!made.floating.empty())
    receipt.remarks.push_back(fmt::format("{}: no scale for {}, which stay floating", command.encodings,
                                          some_names(made.floating)));
  if (!applied.unused.empty())
    receipt.remarks.push_back(
        fmt::format("{}: no integer layer reads or makes {}", command.encodings, some_names(applied.unused)));
}

}  // namespace

Receipt quantize_images(const QuantizeCommand& command) {
  if (!command.annotations.empty() && command.eval_images.empty())
    throw UsageError("--annotations: of which pictures? --eval-images DIR names their folder");
  Recipe recipe = with_static_flags(recipe_from_flag(command.recipe), command.static_flags);
  if (command.target == "tensorrt" && recipe.static_activations)
    recipe.static_activations->symmetric = recipe.static_activations->observer.symmetric = true;
  const auto start = std::chrono::steady_clock::now();
  MemoryWatch memory;
  ThreadPool threads(command.threads);
  VisionModel model = load_vision_model(command.model, onnx_options(command.fixed));

  std::optional<PictureEvaluation> evaluation;
  if (command.evaluate && !command.eval_images.empty()) evaluation.emplace(command, model);

  Receipt receipt;
  receipt.model = command.model;
  receipt.output = command.output;
  receipt.recipe = recipe.name;
  receipt.before = weight_size(model.graph);
  check_format(command, model.graph, recipe, companion_files(command.model));
  GraphSamples samples;
  const GraphSampleOptions asked{command.calibration.path, command.calibration.input_list,
                                 command.calibration.samples, command.calibration.text.seed};
  if (asked.any()) {
    samples = open_graph_samples(asked, model);
    receipt.calibration = samples.protocol;
    if (const auto most = command.calibration.samples; most && samples.data->samples() < *most)
      receipt.remarks.push_back(
          fmt::format("--calib-samples {}: there are only {}", *most, samples.data->samples()));
  }
  Progress progress("quantizing", command.json);
  QuantizeOptions options;
  options.data = samples.data.get();
  options.threads = &threads;
  options.backend = backend_for_device("cpu");
  options.memory = command.calibration.memory;
  options.seed = command.calibration.text.seed;
  options.blocks = command.blocks;
  int before = 0;
  options.progress = [&](int done, int total, const std::string& part) {
    if (done < before) progress.begin(part);
    before = done;
    progress.update(done, total);
  };
  quantize(command, recipe, options, model.graph, receipt);
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
  if (evaluation)
    receipt.pictures = evaluation->measure(model.graph, threads);
  else
    receipt.not_evaluated = command.evaluate
                                ? "no labelled pictures; --eval-images DIR names some (eval top1, eval map)"
                                : "--no-eval";
  if (!command.output.empty()) write_receipt(receipt, command.output);
  return receipt;
}

}  // namespace halftone::cli
