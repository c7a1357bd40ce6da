#include <chrono>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cost/graph_cost.h"
#include "formats/halftone_folder.h"
#include "llm/generate.h"
#include "llm/load_llm.h"
#include "quant/quantize_graph.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string model;
  std::string output;
  std::string recipe;
  bool layers = false;
  bool json = false;
};

struct Outcome {
  QuantReport report;
  WeightSize before;
  WeightSize after;
  double seconds;
};

Outcome quantize_model(const Options& options) {
  const Recipe recipe = recipe_from_flag(options.recipe);
  const auto start = std::chrono::steady_clock::now();
  LlmModel llm = load_llm(options.model, 0);
  Outcome outcome;
  outcome.before = weight_size(llm.graph);
  outcome.report = quantize_graph(llm.graph, recipe);
  outcome.after = weight_size(llm.graph);

  Progress progress("quantizing", options.json);
  save_halftone(llm.graph, options.output, {options.model, recipe.name, "halftone " HALFTONE_VERSION, {}},
                companion_files(options.model), [&](double done, double total, const std::string&) {
                  progress.update(static_cast<int64_t>(done), static_cast<int64_t>(total));
                });
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return outcome;
}

void print_layers(const QuantReport& report) {
  Table table({{"layer", Table::Align::left},
               {"shape", Table::Align::left},
               {"weights", Table::Align::left},
               {"bytes"}});
  for (const LayerReport& layer : report.layers)
    table.add_row({layer.layer, layer.shape.str(),
                   layer.encoding.empty() ? "kept: " + layer.kept : layer.encoding,
                   bytes_text(layer.bytes_after)});
  print_text(table.str());
}

void quantize_command(const Options& options) {
  const Outcome outcome = quantize_model(options);
  for (const std::string& pattern : outcome.report.unmatched)
    fmt::print(stderr, "halftone: warning: no layer matches \"{}\" of the recipe\n", pattern);
  if (options.json) {
    OrderedJson json;
    json["output"] = options.output;
    json["recipe"] = outcome.report.recipe;
    json["bytes_before"] = outcome.before.bytes;
    json["bytes_after"] = outcome.after.bytes;
    json["bits_per_weight"] = outcome.after.bytes * 8 / outcome.after.elements;
    json["bits_per_quantized_weight"] = outcome.report.bits_per_weight;
    json["seconds"] = outcome.seconds;
    json["peak_memory_bytes"] = peak_memory_bytes();
    json["layers"] = OrderedJson::array();
    for (const LayerReport& layer : outcome.report.layers) {
      OrderedJson entry;
      entry["layer"] = layer.layer;
      entry["weight"] = layer.weight;
      entry["encoding"] = layer.encoding;
      entry["kept"] = layer.kept;
      entry["activations"] = layer.activations;
      entry["bytes_before"] = layer.bytes_before;
      entry["bytes_after"] = layer.bytes_after;
      json["layers"].push_back(entry);
    }
    return print_json(json);
  }
  if (options.layers) print_layers(outcome.report);
  print_text(fmt::format(
      "{}: {} -> {} ({:.2f} bits a weight in all, {:.2f} where quantized), {:.1f} s, peak memory {}\n",
      options.output, bytes_text(outcome.before.bytes), bytes_text(outcome.after.bytes),
      outcome.after.bytes * 8 / outcome.after.elements, outcome.report.bits_per_weight, outcome.seconds,
      bytes_text(static_cast<double>(peak_memory_bytes()))));
}

}  // namespace

void add_quantize(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("quantize", "Write a model in few bits, as a Halftone folder");
  command->add_option("-m,--model", options->model, "Model: a Hugging Face folder or a .gguf file")
      ->required()
      ->type_name("PATH");
  command->add_option("-o,--output", options->output, "Folder to write (put into place when complete)")
      ->required()
      ->type_name("DIR");
  command->add_option("--recipe", options->recipe, "A recipe's name or a .yaml file")
      ->required()
      ->type_name("R");
  command->add_flag("--layers", options->layers, "Print what became of each layer");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(
      fmt::format("Recipes: {}\nExample:\n  halftone quantize -m MODEL -o MODEL-w4 --recipe rtn-w4g32",
                  recipe_names_in_short()));
  command->callback([options] { quantize_command(*options); });
}

}  // namespace halftone::cli
