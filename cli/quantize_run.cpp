#include "cli/quantize_run.h"

#include <chrono>

#include "base/error.h"
#include "cli/device.h"
#include "cli/memory_check.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "cli/quantize_images.h"
#include "cli/quantize_output.h"
#include "cli/text_model.h"
#include "eval/arithmetic.h"
#include "formats/halftone_folder.h"
#include "llm/generate.h"
#include "quant/algorithm.h"
#include "tune/memory_watch.h"
#include "tune/work_folder.h"

namespace halftone::cli {
namespace {

constexpr int kComparedWindows = 4;  ///< on which layers are compared

/// Text that the quantized model is measured on, as windows.
struct HeldOut {
  std::vector<TokenId> tokens;
  std::vector<std::span<const TokenId>> windows{};
  std::string protocol{};
  std::string reason{};  ///< why there is none
};

/// What decides the bytes of the output.
Json work_key(const QuantizeCommand& command, const Recipe& recipe, const std::string& samples) {
  Json rules = Json::array();
  for (const RecipeRule& rule : recipe.rules)
    rules.push_back({rule.match, rule.weights ? rule.weights->str() : "",
                     rule.activations ? rule.activations->str() : ""});
  Json chain = Json::array();
  for (const AlgorithmStep& step : recipe.algorithms) chain.push_back({step.name, step.settings});
  return {
      {"program", HALFTONE_VERSION},
      {"model", model_fingerprint(command.model)},
      {"recipe", {recipe.name, rules, chain, recipe.tied ? recipe.tied->str() : "", recipe.minimum_elements}},
      {"samples", samples},
      {"seed", command.calibration.text.seed}};
}

/// FNV-1a over the ids: two draws are one only if their tokens are.
std::string samples_key(const CalibrationText& text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const auto& sample : text.samples)
    for (const TokenId id : sample) hash = (hash ^ static_cast<uint64_t>(id)) * 0x100000001b3u;
  return fmt::format("{}; {:016x}", text.protocol, hash);
}

HeldOut cut_held_out(std::vector<TokenId> tokens, const std::string& name, const Tokenizer& tokenizer,
                     int64_t context) {
  HeldOut held{std::move(tokens)};
  held.windows = cut_windows(held.tokens, {static_cast<int>(std::min<int64_t>(2048, context)), 0});
  const bool bos = tokenizer.bos() && held.tokens.front() == *tokenizer.bos();
  held.protocol =
      fmt::format("{}, {} windows of {} tokens, {}, targets: each window's tokens but its first", name,
                  held.windows.size(), held.windows.front().size(), bos ? "BOS once at the start" : "no BOS");
  return held;
}

HeldOut held_out_text(const QuantizeCommand& command, const LlmModel& llm, int64_t context,
                      const std::optional<CalibrationText>& calibration) {
  if (!command.evaluate) return {{}, {}, {}, "--no-eval"};
  if (!command.eval_text.empty()) {
    const TextSource source = read_text_source(command.eval_text);
    return cut_held_out(llm.tokenizer->encode(source.joined(), true, false), source.name, *llm.tokenizer,
                        context);
  }
  if (!calibration) return {{}, {}, {}, "no text to measure on; --eval-text FILE names one"};
  if (calibration->held_out.empty())
    return {
        {},
        {},
        {},
        "the calibration text is too short to leave a part for measuring; --eval-text FILE names another"};
  return cut_held_out(calibration->held_out,
                      "the end of the calibration text, from which no sample was drawn", *llm.tokenizer,
                      context);
}

/// The same window in a sample's place, for the comparison of layers.
std::vector<std::vector<TokenId>> first_windows(const HeldOut& text) {
  std::vector<std::vector<TokenId>> samples;
  for (size_t i = 0; i < std::min<size_t>(kComparedWindows, text.windows.size()); ++i)
    samples.emplace_back(text.windows[i].begin(), text.windows[i].end());
  return samples;
}

ReceiptEval evaluate(const QuantizeCommand& command, const Graph& quantized, const HeldOut& text,
                     ThreadPool& threads) {
  ModelOptions options;
  options.model = command.model;
  options.threads = command.threads;
  options.json = command.json;
  options.backend = backend_for_device("cpu");
  Graph original = load_llm(command.model).graph;

  ReceiptEval eval;
  {
    Progress progress("comparing layers", command.json);
    const TokenCalibration samples(original, first_windows(text));
    eval.layers =
        worst_first(compare_layers(original, quantized, samples,
                                   {.backend = options.backend,
                                    .threads = &threads,
                                    .memory = command.calibration.memory,
                                    .progress = [&](int done, int total) { progress.update(done, total); }})
                        .layers);
    eval.layers_protocol = fmt::format("over {} windows of that text, weights as stored, activations {}",
                                       samples.samples(), "as the recipe has them");
  }
  EngineOptions engine = engine_options(options);
  check_memory(quantized, engine, options);
  check_memory(original, engine, options);
  Engine model(quantized, engine, threads);
  engine.exact = true;
  Engine reference(std::move(original), engine, threads);
  WindowScorer reference_scorer(reference), scorer(model);
  Progress progress("measuring", command.json);
  eval.divergence = measure_divergence(reference_scorer, scorer, text.windows,
                                       [&](int64_t done, int64_t total) { progress.update(done, total); });
  eval.protocol = text.protocol + ", " + arithmetic(model) + "; original: " + arithmetic(reference);
  return eval;
}

}  // namespace

Receipt run_quantize(const QuantizeCommand& command) {
  if (takes_pictures(command.model)) return quantize_images(command);
  if (!command.encodings.empty())
    throw UsageError("--encodings: {} is a language model; such files speak of static activations",
                     command.model);
  if (!command.eval_images.empty())
    throw UsageError("--eval-images: {} is a language model; --eval-text measures it", command.model);
  if (!command.calibration.input_list.empty())
    throw UsageError("--input-list: {} is a language model; --calib names its text", command.model);
  const Recipe recipe = with_static_flags(recipe_from_flag(command.recipe), command.static_flags);
  const bool calibrated = needs_of(make_chain(recipe.algorithms)).any();
  const auto start = std::chrono::steady_clock::now();
  MemoryWatch memory;
  ThreadPool threads(command.threads);
  LlmModel llm = load_llm(command.model, 0);
  const LlmInfo info = llm_info(llm.graph);

  Receipt receipt;
  receipt.model = command.model;
  receipt.output = command.output;
  receipt.recipe = recipe.name;
  receipt.before = weight_size(llm.graph);
  check_format(command, llm.graph, recipe, companion_files(command.model));

  std::optional<CalibrationText> calibration;
  std::unique_ptr<TokenCalibration> samples;
  if (!command.calibration.path.empty()) {
    calibration = draw_calibration_text(read_text_source(command.calibration.path), *llm.tokenizer, info,
                                        command.calibration.text);
    if (!calibration->warning.empty()) receipt.remarks.push_back(calibration->warning);
    if (calibrated) receipt.calibration = calibration->protocol;
    samples = std::make_unique<TokenCalibration>(llm.graph, calibration->samples);
  }
  const HeldOut text =
      held_out_text(command, llm, std::min<int64_t>(info.context, kDefaultContext), calibration);

  std::unique_ptr<WorkFolder> work;
  if (calibrated && samples && !command.output.empty() && !command.blocks)
    work = std::make_unique<WorkFolder>(work_folder_of(command.output),
                                        work_key(command, recipe, samples_key(*calibration)), command.resume);
  Progress progress("quantizing", command.json);
  QuantizeOptions options;
  options.data = samples.get();
  options.threads = &threads;
  options.backend = backend_for_device("cpu");
  options.memory = command.calibration.memory;
  options.seed = command.calibration.text.seed;
  options.store = work.get();
  options.blocks = command.blocks;
  options.progress = [&](int done, int total, const std::string&) { progress.update(done, total); };
  receipt.report = quantize_graph(llm.graph, recipe, options);
  if (work && work->blocks_found() > 0)
    receipt.remarks.push_back(fmt::format("gone on after {} blocks that were done", work->blocks_found()));
  if (work)
    for (const std::string& warning : work->warnings()) receipt.remarks.push_back(warning);

  if (!command.output.empty())
    write_quantized(command, receipt, llm.graph, companion_files(command.model), progress);
  receipt.after = weight_size(llm.graph);
  progress.finish();
  receipt.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  receipt.peak_memory = peak_memory_bytes();
  receipt.peak_anonymous = memory.peak_bytes();

  receipt.not_evaluated = command.blocks ? "only some blocks were quantized" : text.reason;
  if (receipt.not_evaluated.empty()) try {
      receipt.eval = evaluate(command, llm.graph, text, threads);
      if (const double found = receipt.eval->divergence.reference.perplexity;
          found > static_cast<double>(info.vocab))
        receipt.remarks.push_back(fmt::format(
            "the original's perplexity on this text, {:.0f}, is worse than that of guessing among "
            "its {} tokens: is this the model's tokenizer, and a text it knows?",
            found, info.vocab));
    } catch (const Error& error) {  // the model is written: what could not be measured is told
      receipt.not_evaluated = error.what();
    }
  if (!command.output.empty()) {
    llm.graph = Graph();  // views into the work folder go first
    if (work) work->remove();
    write_receipt(receipt, command.output);
  }
  return receipt;
}

}  // namespace halftone::cli
