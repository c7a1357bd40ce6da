#include "cli/speculate_options.h"

#include <algorithm>

#include "base/error.h"
#include "cli/memory_check.h"
#include "cli/progress.h"

namespace halftone::cli {
namespace {

/// Tokens of both must be the same, or guesses mean something else to the model.
void check_vocabulary(const Tokenizer& draft, const Tokenizer& model, const std::string& path) {
  if (draft.vocab_size() != model.vocab_size())
    throw InputError("--speculate {}: its vocabulary has {} tokens, the model's has {}", path,
                     draft.vocab_size(), model.vocab_size());
  for (TokenId id = 0; id < model.vocab_size(); ++id)
    if (draft.piece(id) != model.piece(id))
      throw InputError("--speculate {}: token {} is \"{}\", in the model's vocabulary it is \"{}\"", path, id,
                       draft.piece(id), model.piece(id));
}

double tokens_per_run(const GenerationStats& stats) {
  return stats.decode_runs > 0 ? 1.0 + static_cast<double>(stats.accepted_tokens) / stats.decode_runs : 0;
}

}  // namespace

void add_speculate_options(CLI::App& command, SpeculateOptions& options) {
  command
      .add_option("--speculate", options.by,
                  "Guess tokens ahead and check several in one run: ngram (what followed the same words "
                  "before), or a smaller model of the same vocabulary. Answers stay the same")
      ->type_name("ngram|PATH");
  command.add_option("--draft-tokens", options.draft_tokens, "Most tokens guessed at a time")
      ->check(CLI::Range(1, kMostDraftTokens))
      ->capture_default_str();
}

std::unique_ptr<Drafter> make_drafter(const SpeculateOptions& options, const TextModel& text,
                                      const ModelOptions& model) {
  if (options.by.empty()) return nullptr;
  if (options.by == "ngram") return std::make_unique<NgramDrafter>();
  LlmModel draft = load_llm(options.by);
  check_vocabulary(*draft.tokenizer, *text.model.tokenizer, options.by);
  EngineOptions settings = engine_options(model);
  settings.cache = open_plan_cache(model);
  settings.name = draft.name;
  settings.context =
      static_cast<int>(std::min<int64_t>(text.engine->context(), llm_info(draft.graph).context));
  check_memory(draft.graph, settings, model);
  Progress progress("packing the draft model", model.json);
  settings.progress = [&](int done, int total) { progress.update(done, total); };
  auto engine = std::make_unique<Engine>(std::move(draft.graph), settings, *text.threads);
  progress.finish();
  return std::make_unique<ModelDrafter>(std::move(engine));
}

std::string speculation_text(const Drafter& drafter, const GenerationStats& stats) {
  return fmt::format("{}: {} of {} guesses right ({:.1f} %), {:.2f} tokens a run", drafter.name(),
                     stats.accepted_tokens, stats.guessed_tokens, stats.acceptance() * 100,
                     tokens_per_run(stats));
}

OrderedJson speculation_json(const Drafter& drafter, const GenerationStats& stats) {
  return {{"drafter", drafter.name()},
          {"guessed_tokens", stats.guessed_tokens},
          {"accepted_tokens", stats.accepted_tokens},
          {"acceptance", stats.acceptance()},
          {"tokens_per_run", tokens_per_run(stats)}};
}

}  // namespace halftone::cli
