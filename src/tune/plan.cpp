#include "tune/plan.h"

#include <algorithm>
#include <fmt/ranges.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/suggest.h"
#include "graph/passes/dynamic_activations.h"
#include "graph/passes/pass.h"
#include "llm/engine.h"
#include "quant/quantize_graph.h"

namespace halftone {
namespace {

/// Sizes of an LLM graph's symbols for one run; `depth` tokens of each sequence are cached before it.
std::map<std::string, int64_t> sizes_of_run(int64_t rows, int64_t sequences, double depth, int block_tokens) {
  const auto blocks = static_cast<int64_t>(std::ceil(depth / block_tokens));
  return {{"tokens", rows},
          {"sequences", sequences},
          {"outputs", sequences},
          {"cache_blocks", std::max<int64_t>(blocks, 1)}};
}

PhasePlan plan_prompt(const Graph& graph, int tokens, const Device& device, const PlanOptions& options,
                      const RunConditions& conditions, int block_tokens) {
  PhasePlan plan;
  plan.tokens = tokens;
  double seconds = 0;
  bool known = true;
  for (int past = 0; past < tokens; past += options.chunk) {
    const int rows = std::min(options.chunk, tokens - past);
    // A row sees what came before it: on average half of its own chunk.
    plan.run = run_time(graph, sizes_of_run(rows, 1, past + rows / 2.0, block_tokens), device, conditions);
    seconds += plan.run.seconds;
    known = known && plan.run.compute_known;
  }
  if (known) plan.seconds = seconds;
  return plan;
}

PhasePlan plan_token(const Graph& graph, int depth, const Device& device, const PlanOptions& options,
                     const RunConditions& conditions, int block_tokens) {
  PhasePlan plan;
  plan.tokens = depth;
  plan.run = run_time(graph, sizes_of_run(options.batch, options.batch, depth + 1.0, block_tokens), device,
                      conditions);
  // A single row is bound by its bytes on every device there is, so an unknown peak does not matter.
  if (plan.run.compute_known || options.batch == 1) plan.seconds = plan.run.seconds;
  return plan;
}

/// Published loss; unknown losses come after all known ones, fewer bits later.
double loss_rank(const RecipePlan& plan) {
  return plan.prior ? plan.prior->loss_percent : 1e9 - plan.bits_per_weight;
}

bool comes_first(const RecipePlan& a, const RecipePlan& b, PlanGoal goal) {
  if (a.fits != b.fits) return a.fits;
  switch (goal) {
    case PlanGoal::latency:
      return a.tpot().value_or(HUGE_VAL) < b.tpot().value_or(HUGE_VAL);
    case PlanGoal::size:
      return a.weight_bytes < b.weight_bytes;
    case PlanGoal::accuracy:
      break;
  }
  return loss_rank(a) != loss_rank(b) ? loss_rank(a) < loss_rank(b) : a.weight_bytes < b.weight_bytes;
}

bool trusted(const RecipePlan& plan) {
  return plan.prior && plan.prior->loss_percent <= kWorstPrior;
}

void recommend(DevicePlan& plan) {
  for (size_t i = 0; i < plan.recipes.size() && plan.recommended < 0; ++i)
    if (plan.recipes[i].fits && trusted(plan.recipes[i])) plan.recommended = static_cast<int>(i);
  if (plan.recommended < 0) {
    const bool any = std::any_of(plan.recipes.begin(), plan.recipes.end(), [](auto& r) { return r.fits; });
    plan.reason = any ? fmt::format(
                            "what fits has no published loss of {} % or less; measure it with "
                            "`halftone eval` first",
                            kWorstPrior)
                      : "nothing fits";
    return;
  }
  const RecipePlan& best = plan.recipes[static_cast<size_t>(plan.recommended)];
  const std::string loss =
      best.recipe == "original"
          ? "without loss"
          : fmt::format("with a published loss of {}{:.1f} % on Llama-2-7B",
                        best.prior->upper_bound ? "at most " : "", best.prior->loss_percent);
  switch (plan.options.goal) {
    case PlanGoal::latency:
      plan.reason = fmt::format("fewest milliseconds a token of what fits {}", loss);
      break;
    case PlanGoal::size:
      plan.reason = fmt::format("smallest weights of what fits {}", loss);
      break;
    case PlanGoal::accuracy:
      plan.reason = fmt::format("least published loss of what fits: {}", loss);
      break;
  }
}

}  // namespace

std::optional<double> RecipePlan::ttft() const {
  return prefill.empty() ? std::nullopt : prefill.front().seconds;
}

std::optional<double> RecipePlan::tpot() const {
  return decode.empty() ? std::nullopt : decode.front().seconds;
}

std::vector<Recipe> compared_recipes() {
  std::vector<Recipe> recipes;
  for (const char* name :
       {"rtn-w8", "rtn-w8g128", "rtn-w8a8", "fp8-e4m3", "rtn-w6g64", "rtn-w5g64", "rtn-w4", "rtn-w4g32",
        "rtn-w4g64", "rtn-w4g128", "w4a8-g128", "nf4", "nf4-dq", "rtn-w3g64", "rtn-w3g128", "rtn-w2g64"})
    recipes.push_back(find_recipe(name));
  return recipes;
}

RecipePlan plan_recipe(Graph graph, const Recipe* recipe, const Device& device, const PlanOptions& options) {
  if (recipe) quantize_graph(graph, *recipe, {.encodings_only = true});
  run_passes(graph, standard_passes());
  // Our CPU kernels quantize activations as they go; weights on a GPU meet 16-bit activations.
  if (device.kind == DeviceKind::cpu) add_dynamic_activations(graph);
  RecipePlan plan = plan_compiled(std::move(graph), device, options);
  plan.recipe = recipe ? recipe->name : "original";
  plan.prior = recipe ? accuracy_prior(*recipe) : AccuracyPrior{0, false, "the model itself"};
  return plan;
}

RecipePlan plan_compiled(Graph graph, const Device& device, const PlanOptions& options) {
  RecipePlan plan;
  const bool cpu = device.kind == DeviceKind::cpu;
  const LlmInfo info = llm_info(graph);
  KvCache::Layout layout = kv_layout(graph);
  const double f16_token = static_cast<double>(KvCache::bytes_per_token(layout));
  layout.format = options.kv;
  plan.kv_bytes_per_token = static_cast<double>(KvCache::bytes_per_token(layout));
  const RunConditions conditions{cpu ? 1.0 : 0.5, plan.kv_bytes_per_token / f16_token};

  const int64_t context =
      options.context > 0 ? options.context : std::min<int64_t>(info.context, kDefaultContext);
  if (context > info.context)
    throw UsageError("a context of {} tokens was asked for, but this model takes at most {}", context,
                     info.context);
  const auto blocks = [&](int64_t tokens) { return ceil_div(tokens, int64_t{layout.block_tokens}); };
  const double block_bytes = plan.kv_bytes_per_token * layout.block_tokens;
  const int64_t rows = std::max<int64_t>(std::min<int64_t>(options.chunk, context), options.batch);
  const auto widest = sizes_of_run(rows, options.batch, static_cast<double>(context), layout.block_tokens);
  const WeightSize size = weight_size(graph);
  plan.weight_bytes = size.bytes;
  plan.bits_per_weight = size.bytes * 8 / size.elements;
  plan.memory.weights = resident_weight_bytes(graph, cpu);
  plan.memory.kv = static_cast<double>(blocks(context) * options.batch) * block_bytes;
  plan.memory.activations = arena_bytes(graph, widest) * conditions.activation_scale;
  plan.memory.workspace = workspace_bytes(graph, widest);
  plan.memory.runtime = efficiencies(device.kind).runtime_bytes;
  // Weights are packed before the cache and the arena are touched, so their room serves for it.
  if (cpu)
    plan.memory.loading =
        std::max(0.0, largest_packed_bytes(graph) - plan.memory.kv - plan.memory.activations);
  plan.memory.system = options.free_bytes ? 0 : system_bytes(device);

  const double available = options.free_bytes.value_or(device.figure("memory_bytes").value());
  plan.fits = plan.memory.total() <= available;
  const double left = std::max(0.0, available - (plan.memory.total() - plan.memory.kv));
  const auto block_count = static_cast<int64_t>(left / block_bytes);
  plan.largest_context = std::min<int64_t>(info.context, block_count / options.batch * layout.block_tokens);
  plan.largest_batch = block_count / blocks(context);

  for (int tokens : options.prompt_tokens)
    if (tokens <= context)
      plan.prefill.push_back(plan_prompt(graph, tokens, device, options, conditions, layout.block_tokens));
  for (int depth : options.depths)
    if (depth < context)
      plan.decode.push_back(plan_token(graph, depth, device, options, conditions, layout.block_tokens));
  plan.graph = std::move(graph);
  return plan;
}

DevicePlan plan_device(const std::function<Graph()>& make_graph, const std::vector<Recipe>& recipes,
                       const Device& device, const PlanOptions& options, bool with_original) {
  DevicePlan plan;
  plan.device = device;
  plan.options = options;
  plan.available_bytes = options.free_bytes.value_or(device.figure("memory_bytes").value());
  if (with_original) plan.recipes.push_back(plan_recipe(make_graph(), nullptr, device, options));
  for (const Recipe& recipe : recipes)
    plan.recipes.push_back(plan_recipe(make_graph(), &recipe, device, options));
  std::stable_sort(plan.recipes.begin(), plan.recipes.end(),
                   [&](const RecipePlan& a, const RecipePlan& b) { return comes_first(a, b, options.goal); });
  recommend(plan);
  return plan;
}

std::string memory_sum_text(const MemoryNeed& need, double available) {
  const auto gb = [](double bytes) { return fmt::format("{:.2f}", bytes / 1e9); };
  std::string text =
      fmt::format("weights {} + KV cache {} + activations {} + workspace {} + runtime {}", gb(need.weights),
                  gb(need.kv), gb(need.activations), gb(need.workspace), gb(need.runtime));
  if (need.loading > 0) text += " + loading " + gb(need.loading);
  if (need.system > 0) text += " + system " + gb(need.system);
  return text + fmt::format(" = {} GB of {} GB", gb(need.total()), gb(available));
}

}  // namespace halftone
