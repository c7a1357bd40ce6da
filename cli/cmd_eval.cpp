#include <fmt/format.h>

#include "cli/command.h"
#include "cli/eval_images.h"
#include "cli/eval_text.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "cli/text_model.h"
#include "eval/arithmetic.h"
#include "eval/perplexity.h"
#include "quant/quantize_graph.h"

namespace halftone::cli {
namespace {

struct Options {
  ModelOptions model;
  EvalTextOptions text;
  std::string recipe;
  std::string reference;
};

TextModel open_model(const Options& options) {
  LlmModel model = load_llm(options.model.model, options.model.context);
  if (!options.recipe.empty()) quantize_graph(model.graph, recipe_from_flag(options.recipe));
  return compile_text_model(std::move(model), options.model);
}

std::function<void(int64_t, int64_t)> shown_by(Progress& progress) {
  return [&progress](int64_t done, int64_t total) { progress.update(done, total); };
}

void eval_perplexity(const Options& options) {
  const TextModel model = open_model(options);
  Engine& engine = *model.engine;
  const EvalText text = read_eval_text(options.text, *model.model.tokenizer, engine.context());
  WindowScorer scorer(engine);
  Progress progress("perplexity", options.model.json);
  const Perplexity result = measure_perplexity(scorer, text.windows, shown_by(progress));
  progress.finish();
  const std::string protocol = text.protocol + ", " + arithmetic(engine);
  if (options.model.json) {
    OrderedJson report;
    report["perplexity"] = result.perplexity;
    report["nll"] = result.nll;
    report["tokens"] = result.tokens;
    report["protocol"] = protocol;
    return print_json(report);
  }
  print_text(fmt::format("Perplexity {:.4f}  (nll {:.4f} nats/token over {} tokens)\nProtocol: {}\n",
                         result.perplexity, result.nll, result.tokens, protocol));
}

void eval_divergence(const Options& options) {
  const TextModel model = open_model(options);
  ModelOptions reference_options = options.model;
  reference_options.model = options.reference;
  reference_options.exact = true;
  if (reference_options.kv != KvFormat::f32) reference_options.kv = KvFormat::f16;
  const TextModel original = open_text_model(reference_options);
  Engine &engine = *model.engine, &reference = *original.engine;
  const EvalText text = read_eval_text(options.text, *original.model.tokenizer,
                                       std::min(engine.context(), reference.context()));
  WindowScorer scorer(engine), reference_scorer(reference);
  Progress progress("divergence", options.model.json);
  const Divergence result = measure_divergence(reference_scorer, scorer, text.windows, shown_by(progress));
  progress.finish();
  const std::string protocol =
      text.protocol + ", " + arithmetic(engine) + "; reference: " + arithmetic(reference);
  if (options.model.json) {
    OrderedJson report;
    report["kld_mean"] = result.kld_mean;
    report["kld_p99"] = result.kld_p99;
    report["top1_agreement"] = result.top1_agreement;
    report["tokens"] = result.tokens;
    report["perplexity"] = result.model.perplexity;
    report["reference_perplexity"] = result.reference.perplexity;
    report["protocol"] = protocol;
    return print_json(report);
  }
  print_text(fmt::format("KL divergence  mean {:.6f}, 99th percentile {:.6f} nats/token\n", result.kld_mean,
                         result.kld_p99));
  print_text(fmt::format("Top-1 agreement {:.2f} %\n", result.top1_agreement * 100));
  print_text(fmt::format("Perplexity     {:.4f}, reference {:.4f} ({:+.2f} %)\n", result.model.perplexity,
                         result.reference.perplexity,
                         (result.model.perplexity / result.reference.perplexity - 1) * 100));
  print_text(fmt::format("Protocol: {}\n", protocol));
}

void add_common(CLI::App& command, Options& options) {
  add_model_options(command, options.model);
  options.text.add_to(command);
  command
      .add_option("--recipe", options.recipe,
                  "Quantize in memory before measuring (a recipe's name or a .yaml file)")
      ->type_name("R");
}

}  // namespace

void add_eval(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "eval", "Measure accuracy: perplexity, divergence from a reference, top-1, average precision");
  command->require_subcommand(1);
  command->footer("Example:\n  halftone eval ppl -m MODEL --text wiki.test.raw");

  auto perplexity_options = std::make_shared<Options>();
  CLI::App* perplexity =
      command->add_subcommand("ppl", "Perplexity of a text; the protocol is printed with it");
  add_common(*perplexity, *perplexity_options);
  perplexity->footer("Example:\n  halftone eval ppl -m MODEL --text wiki.test.raw --json");
  perplexity->callback([perplexity_options] { eval_perplexity(*perplexity_options); });

  auto divergence_options = std::make_shared<Options>();
  CLI::App* divergence =
      command->add_subcommand("kld", "KL divergence and top-1 agreement against a reference model");
  add_common(*divergence, *divergence_options);
  divergence
      ->add_option("--reference", divergence_options->reference,
                   "The unquantized model, run with floating activations")
      ->required()
      ->type_name("PATH");
  divergence->footer(
      "Example:\n  halftone eval kld -m MODEL-w4 --reference MODEL --text wiki.test.raw --json");
  divergence->callback([divergence_options] { eval_divergence(*divergence_options); });

  add_eval_images(*command);
}

}  // namespace halftone::cli
