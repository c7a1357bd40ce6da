#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/write_file.h"
#include "cli/command.h"
#include "cli/device.h"
#include "cli/graph_options.h"
#include "cli/graph_samples.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/text_samples.h"
#include "eval/graph_compare.h"
#include "tune/layer_pages.h"
#include "tune/receipt.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string original;
  std::string other;
  FixedParts fixed;
  TextSampleOptions text;
  GraphSampleOptions samples;
  std::string html;
  int threads = 0;
  bool json = false;
};

OrderedJson layers_json(const std::vector<LayerDifference>& layers) {
  OrderedJson list = OrderedJson::array();
  for (const LayerDifference& layer : layers) {
    OrderedJson entry;
    entry["layer"] = layer.layer;
    entry["weights"] = layer.weights;
    entry.update(closeness_json(layer.closeness));
    list.push_back(std::move(entry));
  }
  return list;
}

void print_layers(const ModelComparison& comparison) {
  using Align = Table::Align;
  Table table({{"layer", Align::left}, {"weights", Align::left}, {"SQNR"}, {"cosine"}, {"largest error"}});
  auto add = [&](const LayerDifference& layer, const std::string& name) {
    table.add_row({name, layer.weights.empty() ? "floating" : layer.weights,
                   decibel_text(layer.closeness.sqnr_db), fmt::format("{:.6f}", layer.closeness.cosine),
                   layer.closeness.rescaled ? "rescaled" : fmt::format("{:.4g}", layer.closeness.max_error)});
  };
  for (const LayerDifference& layer : worst_first(comparison.layers)) add(layer, layer.layer);
  for (const LayerDifference& output : comparison.outputs) add(output, "output " + output.layer);
  print_text(table.str());
}

struct Compared {
  ModelComparison layers;
  std::string title, protocol;
};

Compared compare_texts(const Options& options, const CompareOptions& how) {
  const LlmModel original = load_llm(options.original, 0), other = load_llm(options.other, 0);
  TextSamples text = read_text_samples(options.text, original);
  const TokenCalibration samples(original.graph, std::move(text.windows));
  return {compare_layers(original.graph, other.graph, samples, how), original.name + " and " + other.name,
          text.protocol + ", each model on its own activations, encoded as its graph has them"};
}

Compared compare_pictures(const Options& options, const CompareOptions& how) {
  const auto load = [&](const std::string& path) {
    return load_vision_model(path, onnx_options(fixed_of(path, options.fixed)));
  };
  const VisionModel original = load(options.original), other = load(options.other);
  const GraphSamples samples = open_graph_samples(options.samples, original);
  return {compare_graphs(original.graph, other.graph, *samples.data, how),
          original.name + " and " + other.name,
          samples.protocol + ", each model on its own activations, those of the first floating"};
}

void run_compare(const Options& options) {
  if (options.samples.any() && !options.text.path.empty())
    throw UsageError("give --text for language models, or --images or --input-list for other graphs");
  require_onnx({options.original, options.other}, options.fixed);
  ThreadPool threads(options.threads);
  Progress progress("comparing layers", options.json);
  const CompareOptions how{.backend = backend_for_device("cpu"),
                           .threads = &threads,
                           .progress = [&](int done, int total) { progress.update(done, total); }};
  const auto [comparison, title, protocol] =
      options.samples.any() ? compare_pictures(options, how) : compare_texts(options, how);
  progress.finish();

  if (!options.html.empty()) write_file(options.html, comparison_html(comparison, title, protocol));
  if (options.json) {
    OrderedJson json;
    json["original"] = options.original;
    json["other"] = options.other;
    json["protocol"] = protocol;
    json["layers"] = layers_json(worst_first(comparison.layers));
    json["outputs"] = layers_json(comparison.outputs);
    return print_json(json);
  }
  print_layers(comparison);
  print_text(fmt::format("Protocol: {}\n", protocol));
}

}  // namespace

void add_compare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("compare", "Compare two versions of one model layer by layer, the worst first");
  command->add_option("ORIGINAL", options->original, "The model as it was")->required();
  command->add_option("OTHER", options->other, "The other version: quantized, converted")->required();
  add_fixed_options(*command, options->fixed);
  options->text.add_to(*command);
  options->samples.add_to(*command);
  command->add_option("--html", options->html, "Write a page with a plot")->type_name("FILE");
  command->add_option("-t,--threads", options->threads, "Threads (0: one for each core)")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(
      "Examples:\n  halftone compare MODEL MODEL-w4 --text heldout.txt\n"
      "  halftone compare MODEL.onnx MODEL-int8 --images pictures/ --html layers.html");
  command->callback([options] { run_compare(*options); });
}

}  // namespace halftone::cli
