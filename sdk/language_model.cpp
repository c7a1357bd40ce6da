#include "halftone/language_model.h"

#include "backend/cpu/cpu.h"
#include "llm/generate.h"
#include "llm/load_llm.h"
#include "sdk/convert.h"

namespace halftone::sdk {

struct LanguageModel::Impl {
  LlmModel model;
  ThreadPool threads;
  std::unique_ptr<Engine> engine;

  Impl(const std::filesystem::path& path, const LanguageModelOptions& options)
      : model(load_llm(path, options.context)), threads(options.threads) {
    EngineOptions how;
    how.backend = &cpu_backend();
    how.exact = options.exact;
    how.context = options.context;
    engine = std::make_unique<Engine>(std::move(model.graph), how, threads);
  }
};

LanguageModel::LanguageModel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LanguageModel::LanguageModel(LanguageModel&&) noexcept = default;
LanguageModel& LanguageModel::operator=(LanguageModel&&) noexcept = default;
LanguageModel::~LanguageModel() = default;

LanguageModel LanguageModel::load(const std::filesystem::path& path, const LanguageModelOptions& options) {
  return guarded([&] { return LanguageModel(std::make_unique<Impl>(path, options)); });
}

Generated LanguageModel::generate(const std::string& prompt, const GenerateOptions& options,
                                  const std::function<bool(std::string_view text)>& show) {
  return guarded([&] {
    GenerationOptions how;
    how.sampling = impl_->model.sampling;
    how.sampling.temperature = options.temperature;
    how.sampling.top_k = options.top_k;
    how.sampling.top_p = options.top_p;
    how.sampling.seed = options.seed;
    check(how.sampling);
    how.max_tokens = options.max_tokens;
    how.stops = options.stops;
    how.end_tokens = impl_->model.end_tokens;
    Sequence sequence = impl_->engine->new_sequence();
    const std::vector<TokenId> tokens = impl_->model.tokenizer->encode(prompt);
    const Generation made =
        ::halftone::generate(*impl_->engine, sequence, *impl_->model.tokenizer, tokens, how, show);
    return Generated{made.text, std::string(stop_reason_name(made.reason)), made.stats.prompt_tokens,
                     made.stats.generated_tokens};
  });
}

}  // namespace halftone::sdk
