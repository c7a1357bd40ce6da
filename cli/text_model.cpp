#include "cli/text_model.h"

#include "base/error.h"
#include "cli/progress.h"
#include "graph/passes/dynamic_activations.h"
#include "graph/passes/pass.h"
#include "quant/quantize_graph.h"
#include "tune/plan.h"

namespace halftone::cli {

EngineOptions engine_options(const ModelOptions& options) {
  EngineOptions settings;
  settings.backend = options.backend;
  settings.exact = options.exact;
  settings.context = options.context;
  settings.kv_format = options.kv;
  settings.kv_residual = options.kv_residual;
  return settings;
}

namespace {

/// The recipe of the most bits under which the graph fits, or "".
std::string fitting_recipe(const Graph& graph, const Device& device, const PlanOptions& plan) {
  for (const auto& [encoding, size] : weights_by_encoding(graph))
    if (encoding.find("int") == 0 || encoding.find("fp") == 0 || encoding.find("nf") == 0) return {};
  for (const char* name : {"rtn-w8", "rtn-w6g64", "rtn-w5g64", "rtn-w4g32", "rtn-w4g128", "rtn-w3g64"}) {
    const Recipe recipe = find_recipe(name);
    if (plan_recipe(graph, &recipe, device, plan).fits) return name;
  }
  return {};
}

}  // namespace

double check_memory(const Graph& graph, const EngineOptions& engine, const ModelOptions& options) {
  Device device = find_device("cpu-generic");  // sizes do not depend on its speed
  PlanOptions plan;
  plan.context = engine.context;
  plan.batch = engine.sequences;
  plan.chunk = engine.chunk;
  plan.kv = engine.kv_format;
  plan.free_bytes = free_memory_bytes();
  plan.prompt_tokens.clear();
  plan.depths.clear();
  const RecipePlan planned = plan_recipe(graph, nullptr, device, plan);
  if (!plan.free_bytes || planned.fits || options.force) return planned.memory.total();

  std::string advice;
  if (planned.largest_context > 0)
    advice = fmt::format("a context of {} fits (-c {})", planned.largest_context, planned.largest_context);
  else if (const std::string recipe = fitting_recipe(graph, device, plan); !recipe.empty())
    advice = fmt::format("quantized by {} it fits", recipe);
  else
    advice = "no shorter context makes it fit, nor a recipe of three bits or more";
  throw ResourceError("memory will not do: {}; {}; --force goes on",
                      memory_sum_text(planned.memory, *plan.free_bytes), advice);
}

TextModel open_text_model(const ModelOptions& options) {
  return compile_text_model(load_llm(options.model, options.context), options);
}

TextModel compile_text_model(LlmModel model, const ModelOptions& options) {
  EngineOptions settings = engine_options(options);
  const double planned = check_memory(model.graph, settings, options);
  TextModel text{std::move(model), std::make_unique<ThreadPool>(options.threads), nullptr, planned};
  Progress progress("packing weights", options.json);
  settings.progress = [&](int done, int total) { progress.update(done, total); };
  text.engine = std::make_unique<Engine>(std::move(text.model.graph), settings, *text.threads);
  progress.finish();
  if (options.explain) fmt::print(stderr, "{}\n", text.engine->plan().explain());
  return text;
}

}  // namespace halftone::cli
