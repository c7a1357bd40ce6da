#include <fmt/format.h>

#include "cli/command.h"
#include "cli/eval_text.h"
#include "cli/model_options.h"
#include "cli/table.h"
#include "cli/text_model.h"
#include "tune/sweep.h"

namespace halftone::cli {
namespace {

const std::vector<std::string> kDefaultRecipes = {
    "rtn-w8",           "rtn-w8-tensor", "rtn-w8a8", "rtn-w4", "rtn-w4g128", "rtn-w4g32",
    "rtn-w4g32-affine", "rtn-w3g32",     "nf4",      "nf4-dq", "fp8-e4m3"};

struct Options {
  ModelOptions model;
  EvalTextOptions text;
  std::vector<std::string> recipes = kDefaultRecipes;
  int prompt_tokens = 128;
  int generated_tokens = 32;
  int repetitions = 3;
};

OrderedJson row_json(const SweepRow& row) {
  OrderedJson json;
  json["scheme"] = row.scheme;
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
  return json;
}

void print_rows(const std::vector<SweepRow>& rows, const Options& options) {
  using Align = Table::Align;
  Table table({{"scheme", Align::left},
               {"weights", Align::left},
               {"activations", Align::left},
               {"size"},
               {"bits/w"},
               {"PPL"},
               {"loss %"},
               {"KLD"},
               {"top-1 %"},
               {fmt::format("pp{} tok/s", options.prompt_tokens)},
               {fmt::format("tg{} tok/s", options.generated_tokens)},
               {"runs on", Align::left}});
  for (const SweepRow& row : rows)
    table.add_row({row.scheme, row.weights, row.activations, bytes_text(row.bytes),
                   fmt::format("{:.2f}", row.bits_per_weight), fmt::format("{:.4f}", row.perplexity),
                   fmt::format("{:+.2f}", row.loss_percent), fmt::format("{:.5f}", row.kld),
                   fmt::format("{:.2f}", row.top1_agreement * 100),
                   fmt::format("{:.0f}", row.prefill_tokens_per_s),
                   fmt::format("{:.0f}", row.decode_tokens_per_s),
                   row.fast_layers == row.layers ? "fast kernels" : "reference"});
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
  std::vector<Recipe> recipes;
  for (const std::string& recipe : options.recipes) recipes.push_back(recipe_from_flag(recipe));

  const auto make_graph = [&] { return load_llm(options.model.model, options.model.context).graph; };
  const std::vector<SweepRow> rows = sweep(make_graph, recipes, sweep_options, threads);
  if (options.model.json) {
    OrderedJson report;
    report["protocol"] = text.protocol;
    report["rows"] = OrderedJson::array();
    for (const SweepRow& row : rows) report["rows"].push_back(row_json(row));
    return print_json(report);
  }
  print_rows(rows, options);
  print_text(fmt::format("Protocol: {}; loss, KLD and top-1 against the original\n", text.protocol));
}

}  // namespace

void add_sweep(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("sweep", "Quantize to several schemes and print one table: size, loss, speed");
  add_model_options(*command, options->model);
  options->text.add_to(*command);
  command->add_option("--recipes", options->recipes, "Recipes, separated by commas")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("-p,--prompt-tokens", options->prompt_tokens, "Tokens of the timed prefill")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("-n,--gen-tokens", options->generated_tokens, "Tokens of the timed decoding")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("-r,--repetitions", options->repetitions, "Timed repetitions")
      ->check(CLI::Range(1, 1000));
  command->footer("Example:\n  halftone sweep -m MODEL --text heldout.txt --recipes rtn-w8,rtn-w4g32,nf4");
  command->callback([options] { run_sweep(*options); });
}

}  // namespace halftone::cli
