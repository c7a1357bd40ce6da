#include "cli/text_model.h"

#include "cli/memory_check.h"
#include "cli/progress.h"
#include "graph/passes/dynamic_activations.h"
#include "runtime/plan_cache.h"

namespace halftone::cli {
namespace {

/// Tokens of a prompt that a GPU takes at once: enough rows for its Tensor Cores to be the limit.
constexpr int kDeviceChunk = 2048;

}  // namespace

EngineOptions engine_options(const ModelOptions& options) {
  EngineOptions settings;
  settings.backend = options.backend;
  settings.exact = options.exact;
  settings.context = options.context;
  settings.kv_format = options.kv;
  settings.kv_residual = options.kv_residual;
  if (options.backend && options.backend->memory()) settings.chunk = kDeviceChunk;
  return settings;
}

TextModel open_text_model(const ModelOptions& options, bool answers_soon) {
  return compile_text_model(load_llm(options.model, options.context), options, answers_soon);
}

TextModel compile_text_model(LlmModel model, const ModelOptions& options, bool answers_soon) {
  if (options.bf16) round_activations(model.graph);
  EngineOptions settings = engine_options(options);
  const double planned = check_memory(model.graph, settings, options);
  TextModel text{std::move(model), std::make_unique<ThreadPool>(options.threads), nullptr, planned};
  Progress progress("packing weights", options.json);
  settings.progress = [&](int done, int total) { progress.update(done, total); };
  settings.cache = open_plan_cache(options);
  settings.name = text.model.name;
  settings.pack_between_runs = answers_soon;
  text.engine = std::make_unique<Engine>(std::move(text.model.graph), settings, *text.threads);
  progress.finish();
  if (options.explain) fmt::print(stderr, "{}\n", text.engine->plan().explain());
  return text;
}

}  // namespace halftone::cli
