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
#include "graph/passes/pass.h"
#include "quant/widened_graph.h"
#include "tune/layer_pages.h"
#include "tune/receipt.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string model;
  FixedParts fixed;
  TextSampleOptions text;
  GraphSampleOptions samples;
  std::string recipe = "rtn-w4g32";
  bool blocks = false;
  std::string html;
  int threads = 0;
  bool json = false;
};

OrderedJson row_json(const Sensitivity& row) {
  OrderedJson json;
  json["name"] = row.name;
  json["weights"] = row.weights;
  json["bytes_saved"] = row.bytes_saved;
  json["output"] = closeness_json(row.output);
  json["model_output"] = closeness_json(row.model_output);
  json["kld_mean"] = row.kld ? OrderedJson(*row.kld) : OrderedJson();
  json["top1_agreement"] = row.top1_agreement ? OrderedJson(*row.top1_agreement) : OrderedJson();
  return json;
}

void print_rows(const std::vector<Sensitivity>& rows, bool blocks) {
  using Align = Table::Align;
  Table table({{blocks ? "block" : "layer", Align::left},
               {"weights", Align::left},
               {"SQNR"},
               {"cosine"},
               {"model SQNR"},
               {"KLD"},
               {"top-1 %"},
               {"saved"}});
  for (const Sensitivity& row : most_sensitive_first(rows))
    table.add_row({row.name, row.weights, decibel_text(row.output.sqnr_db),
                   fmt::format("{:.6f}", row.output.cosine), decibel_text(row.model_output.sqnr_db),
                   row.kld ? fmt::format("{:.3e}", *row.kld) : "",
                   row.top1_agreement ? fmt::format("{:.2f}", *row.top1_agreement * 100) : "",
                   bytes_text(row.bytes_saved)});
  print_text(table.str());
}

struct Measured {
  std::vector<Sensitivity> rows;
  std::string name, protocol;
};

Measured measure_on_text(const Options& options, const Recipe& recipe, const SensitivityOptions& settings) {
  const LlmModel llm = load_llm(options.model, 0);
  TextSamples text = read_text_samples(options.text, llm);
  const TokenCalibration samples(llm.graph, std::move(text.windows));
  return {measure_sensitivity(llm.graph, recipe, samples, true, settings), llm.name, text.protocol};
}

/// Layers as they are when the model is folded and fused, which is what recipes of pictures quantize.
Measured measure_on_pictures(const Options& options, const Recipe& recipe,
                             const SensitivityOptions& settings) {
  VisionModel model = load_vision_model(options.model, onnx_options(options.fixed));
  const GraphSamples samples = open_graph_samples(options.samples, model);
  compute_in_f32(model.graph);
  run_passes(model.graph, standard_passes());
  return {measure_sensitivity(model.graph, recipe, *samples.data, false, settings), model.name,
          samples.protocol};
}

void run_sensitivity(const Options& options) {
  if (options.samples.any() && !options.text.path.empty())
    throw UsageError("give --text for language models, or --images or --input-list for other graphs");
  require_onnx(options.model, options.fixed);
  const Recipe recipe = recipe_from_flag(options.recipe);
  ThreadPool threads(options.threads);
  Progress progress("measuring", options.json);
  SensitivityOptions settings;
  settings.by_block = options.blocks;
  settings.backend = backend_for_device("cpu");
  settings.threads = &threads;
  settings.progress = [&](int done, int total) { progress.update(done, total); };
  const auto [rows, name, samples] = options.samples.any() ? measure_on_pictures(options, recipe, settings)
                                                           : measure_on_text(options, recipe, settings);
  progress.finish();

  const std::string protocol = samples + ", each " + (options.blocks ? "block" : "layer") +
                               " alone rounded to nearest, activations as the recipe has them";
  if (!options.html.empty()) write_file(options.html, sensitivity_html(rows, name, recipe.name, protocol));
  if (options.json) {
    OrderedJson json;
    json["recipe"] = recipe.name;
    json["protocol"] = protocol;
    json["rows"] = OrderedJson::array();
    for (const Sensitivity& row : rows) json["rows"].push_back(row_json(row));
    return print_json(json);
  }
  print_rows(rows, options.blocks);
  print_text(fmt::format("Protocol: {}; {}\n", recipe.name, protocol));
}

}  // namespace

void add_sensitivity(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "sensitivity", "Quantize one layer (or block) at a time and show what each does to the model");
  command->add_option("-m,--model", options->model, "Model: a Hugging Face folder, a .gguf or an .onnx file")
      ->required()
      ->type_name("PATH");
  add_fixed_options(*command, options->fixed);
  options->text.add_to(*command);
  options->samples.add_to(*command);
  command
      ->add_option("--recipe", options->recipe,
                   "A recipe's name or a .yaml file; codes are rounded to nearest")
      ->capture_default_str()
      ->type_name("R");
  command->add_flag("--blocks", options->blocks, "One block at a time in place of one layer");
  command->add_option("--html", options->html, "Write a page with a plot")->type_name("FILE");
  command->add_option("-t,--threads", options->threads, "Threads (0: one for each core)")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(
      "Examples:\n  halftone sensitivity -m MODEL --text heldout.txt --recipe rtn-w3 --html s.html\n"
      "  halftone sensitivity -m MODEL.onnx --images pictures/ --recipe rtn-w8");
  command->callback([options] { run_sensitivity(*options); });
}

}  // namespace halftone::cli
