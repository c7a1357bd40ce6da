#include <fmt/format.h>

#include "cli/calibration_options.h"
#include "cli/command.h"
#include "cli/eval_text.h"
#include "cli/model_options.h"
#include "cli/table.h"
#include "cli/text_model.h"
#include "tune/sweep.h"

namespace halftone::cli {
namespace {

struct Options {
  ModelOptions model;
  EvalTextOptions text;
  CalibrationOptions calibration;
  std::vector<std::string> recipes;  ///< none: the table that the field quotes
  bool speed = true;
  int prompt_tokens = 128;
  int generated_tokens = 32;
  int repetitions = 3;
};

OrderedJson row_json(const SweepRow& row) {
  OrderedJson json;
  json["scheme"] = row.scheme;
  json["dynamic"] = row.dynamic;
  json["weight_scales"] = row.weight_scales;
  json["activation_scales"] = row.activation_scales;
  json["block"] = row.block;
  json["weights"] = row.weights;
  json["activations"] = row.activations;
  json["bytes"] = row.bytes;
  json["bits_per_weight"] = row.bits_per_weight;
  json["perplexity"] = row.perplexity;
  json["loss_percent"] = row.loss_percent;
  json["kld_mean"] = row.kld;
  json["top1_agreement"] = row.top1_agreement;
  json["prefill_tokens_per_s"] = row.prefill_tokens_per_s;
  json["decode_tokens_per_s"] = row.decode_tokens_per_s;
  json["fast_layers"] = row.fast_layers;
  json["layers"] = row.layers;
  json["fallbacks"] = row.fallbacks;
  return json;
}

void print_rows(const std::vector<SweepRow>& rows, const Options& options) {
  using Align = Table::Align;
  std::vector<Table::Column> columns = {{"scheme", Align::left},
                                        {"dynamic", Align::left},
                                        {"W", Align::left},
                                        {"W scales", Align::left},
                                        {"A scales", Align::left},
                                        {"block"},
                                        {"size"},
                                        {"bits/w"},
                                        {"PPL"},
                                        {"loss %"},
                                        {"KLD"},
                                        {"top-1 %"}};
  if (options.speed)
    columns.insert(columns.end(), {{fmt::format("pp{} tok/s", options.prompt_tokens)},
                                   {fmt::format("tg{} tok/s", options.generated_tokens)}});
  columns.push_back({"computed by", Align::left});
  Table table(columns);
  for (const SweepRow& row : rows) {
    std::vector<std::string> cells = {row.scheme,
                                      row.dynamic ? "yes" : "no",
                                      row.weights,
                                      row.weight_scales.empty() ? "-" : row.weight_scales,
                                      row.activation_scales.empty() ? "-" : row.activation_scales,
                                      row.block > 0 ? std::to_string(row.block) : "-",
                                      bytes_text(row.bytes),
                                      fmt::format("{:.2f}", row.bits_per_weight),
                                      fmt::format("{:.4f}", row.perplexity),
                                      fmt::format("{:+.2f}", row.loss_percent),
                                      fmt::format("{:.5f}", row.kld),
                                      fmt::format("{:.2f}", row.top1_agreement * 100)};
    if (options.speed)
      cells.insert(cells.end(), {fmt::format("{:.0f}", row.prefill_tokens_per_s),
                                 fmt::format("{:.0f}", row.decode_tokens_per_s)});
    cells.push_back(row.fast_layers == row.layers ? "fast kernels" : "reference (simulated)");
    table.add_row(cells);
  }
  print_text(table.str());
}

void run_sweep(const Options& options) {
  ThreadPool threads(options.model.threads);
  LlmModel llm = load_llm(options.model.model, options.model.context);
  SweepOptions sweep_options;
  sweep_options.engine = engine_options(options.model);
  sweep_options.engine.progress = {};
  const LlmInfo info = llm_info(llm.graph);
  const int context = sweep_options.engine.context > 0
                          ? sweep_options.engine.context
                          : static_cast<int>(std::min<int64_t>(info.context, kDefaultContext));
  const EvalText text = read_eval_text(options.text, *llm.tokenizer, context);
  sweep_options.windows = text.windows;
  sweep_options.prompt_tokens = std::min(options.prompt_tokens, context);
  sweep_options.generated_tokens = std::min(options.generated_tokens, context);
  sweep_options.repetitions = options.repetitions;
  if (!options.model.json)
    sweep_options.progress = [](const std::string& scheme, const std::string& stage) {
      fmt::print(stderr, "sweep: {}: {}\n", scheme, stage);
    };
  sweep_options.speed = options.speed;

  std::string calibration, warning;
  std::unique_ptr<TokenCalibration> samples;
  if (!options.calibration.path.empty()) {
    CalibrationText drawn = draw_calibration_text(read_text_source(options.calibration.path), *llm.tokenizer,
                                                  info, options.calibration.text);
    calibration = "; calibrated on " + drawn.protocol;
    warning = drawn.warning;
    samples = std::make_unique<TokenCalibration>(llm.graph, std::move(drawn.samples));
    sweep_options.quantize.data = samples.get();
    sweep_options.quantize.threads = &threads;
    sweep_options.quantize.backend = options.model.backend;
    sweep_options.quantize.memory = options.calibration.memory;
    sweep_options.quantize.seed = options.calibration.text.seed;
  }
  std::vector<SweepVariant> variants;
  for (const std::string& recipe : options.recipes) variants.push_back({"", recipe_from_flag(recipe), false});
  if (variants.empty()) variants = field_table(samples != nullptr);

  const auto make_graph = [&] { return load_llm(options.model.model, options.model.context).graph; };
  const std::vector<SweepRow> rows = sweep(make_graph, variants, sweep_options, threads);
  if (options.model.json) {
    OrderedJson report;
    report["protocol"] = text.protocol + calibration;
    report["warning"] = warning;
    report["rows"] = OrderedJson::array();
    for (const SweepRow& row : rows) report["rows"].push_back(row_json(row));
    return print_json(report);
  }
  print_rows(rows, options);
  print_text(
      fmt::format("Protocol: {}{}; loss, KLD and top-1 against the original\n", text.protocol, calibration));
  if (!warning.empty()) print_text(fmt::format("Note: {}\n", warning));
  for (const SweepRow& row : rows)
    for (const std::string& fallback : row.fallbacks)
      print_text(fmt::format("Fallback: {}: {}\n", row.scheme, fallback));
}

}  // namespace

void add_sweep(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("sweep", "Quantize to several schemes and print one table: size, loss, speed");
  add_model_options(*command, options->model);
  options->text.add_to(*command);
  options->calibration.add_to(*command);
  command
      ->add_option(
          "--recipes", options->recipes,
          "Recipes, separated by commas (default: the rows that the field quotes, those that calibrate "
          "too if --calib is given)")
      ->delimiter(',');
  command->add_flag_callback(
      "--no-speed", [options] { options->speed = false; }, "Measure accuracy alone");
  command->add_option("-p,--prompt-tokens", options->prompt_tokens, "Tokens of the timed prefill")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("-n,--gen-tokens", options->generated_tokens, "Tokens of the timed decoding")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("-r,--repetitions", options->repetitions, "Timed repetitions")
      ->check(CLI::Range(1, 1000));
  command->footer(
      "Examples:\n  halftone sweep -m MODEL --text heldout.txt --calib train.txt\n"
      "  halftone sweep -m MODEL --text heldout.txt --recipes rtn-w8,rtn-w4g32,nf4");
  command->callback([options] { run_sweep(*options); });
}

}  // namespace halftone::cli
