// The plan of one recipe: memory, and the time of each phase.
#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "base/error.h"
#include "graph/concretize.h"
#include "llm/engine.h"
#include "quant/quantize_graph.h"
#include "runtime/rewrite.h"
#include "tune/plan.h"

namespace halftone {
namespace {

constexpr int64_t kMostPictures = 4096;

using Sizes = std::map<std::string, int64_t>;

/// Sizes of an LLM graph's symbols for one run; `depth` tokens of each sequence are cached before it.
Sizes sizes_of_run(int64_t rows, int64_t sequences, double depth, int block_tokens) {
  const auto blocks = static_cast<int64_t>(std::ceil(depth / block_tokens));
  return {{"tokens", rows},
          {"sequences", sequences},
          {"outputs", sequences},
          {"cache_blocks", std::max<int64_t>(blocks, 1)}};
}

/// Sizes of the symbols of a graph of pictures: the first dimension of its inputs is `batch`.
Sizes sizes_of_pictures(const Graph& graph, int64_t batch) {
  Sizes sizes;
  for (ValueId id : graph.inputs()) {
    const Value& input = graph.value(id);
    const Shape& shape = input.type.shape;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] >= 0) continue;
      if (shape[axis] == Shape::kUnknownDim)
        throw UnsupportedError("{}: dimension {} of input \"{}\" is not known", graph.name, axis, input.name);
      const Symbol& symbol = graph.symbols()[static_cast<size_t>(Shape::dim_symbol(shape[axis]))];
      if (axis > 0 && !sizes.count(symbol.name))
        throw UsageError("{}: input \"{}\" leaves dimension {} open; --dim {}=SIZE fixes it", graph.name,
                         input.name, axis, symbol.name);
      sizes[symbol.name] = batch;
    }
  }
  for (const Symbol& symbol : graph.symbols()) sizes.emplace(symbol.name, 1);
  return sizes;
}

/// Whether the graph fixes how many pictures a run takes.
bool fixes_batch(const Graph& graph) {
  return std::ranges::all_of(graph.inputs(), [&](ValueId id) {
    const Shape& shape = graph.value(id).type.shape;
    return shape.rank() == 0 || shape[0] >= 0;
  });
}

PhasePlan plan_pictures(const Graph& graph, int batch, const Device& device,
                        const RunConditions& conditions) {
  PhasePlan plan;
  plan.tokens = batch;
  plan.run = run_time(graph, sizes_of_pictures(graph, batch), device, conditions);
  if (plan.run.compute_known) plan.seconds = plan.run.seconds;
  return plan;
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

/// Bytes that a program may take on the device.
double available_bytes(const Device& device, const PlanOptions& options) {
  return options.free_bytes.value_or(device.figure("memory_bytes").value());
}

/// What does not depend on the kind of model.
void add_common_memory(RecipePlan& plan, const Graph& graph, const Device& device,
                       const PlanOptions& options) {
  const bool cpu = device.kind == DeviceKind::cpu;
  const WeightSize size = weight_size(graph);
  plan.weight_bytes = size.bytes;
  plan.bits_per_weight = size.elements > 0 ? size.bytes * 8 / size.elements : 0;
  plan.memory.weights = resident_weight_bytes(graph, cpu);
  plan.memory.runtime = efficiencies(device.kind).runtime_bytes;
  if (keeps_state(graph)) plan.memory.runtime += efficiencies(device.kind).tokenizer_bytes;
  // Weights are packed before the cache and the arena are touched, so their room serves for it.
  if (cpu)
    plan.memory.loading =
        std::max(0.0, largest_packed_bytes(graph) - plan.memory.kv - plan.memory.activations);
  plan.memory.system = options.free_bytes ? 0 : system_bytes(device);
}

void plan_vision_part(RecipePlan& plan, Graph vision, const Device& device, const RunConditions& conditions) {
  const Sizes one = sizes_of_pictures(vision, 1);
  plan.vision_bytes = weight_size(vision).bytes;
  plan.memory.weights += resident_weight_bytes(vision, device.kind == DeviceKind::cpu);
  // A picture is seen before the language model runs, in the same room.
  plan.memory.activations =
      std::max(plan.memory.activations, arena_bytes(vision, one) * conditions.activation_scale);
  plan.memory.workspace = std::max(plan.memory.workspace, workspace_bytes(vision, one));
  plan.image = plan_pictures(vision, 1, device, conditions);
  plan.image_tokens = concretize(vision, one).types[static_cast<size_t>(vision.outputs()[0])].shape[0];
  plan.vision = std::move(vision);
}

RecipePlan plan_language(PlannedModel model, const Device& device, const PlanOptions& options) {
  const Graph& graph = model.graph;
  RecipePlan plan;
  const LlmInfo info = llm_info(graph);
  KvCache::Layout layout = kv_layout(graph);
  const double f16_token = static_cast<double>(KvCache::bytes_per_token(layout));
  layout.format = options.kv;
  plan.kv_bytes_per_token = static_cast<double>(KvCache::bytes_per_token(layout));
  const RunConditions conditions{device.kind == DeviceKind::cpu ? 1.0 : 0.5,
                                 plan.kv_bytes_per_token / f16_token};

  const int64_t context =
      options.context > 0 ? options.context : std::min<int64_t>(info.context, kDefaultContext);
  if (context > info.context)
    throw UsageError("a context of {} tokens was asked for, but this model takes at most {}", context,
                     info.context);
  const auto blocks = [&](int64_t tokens) { return ceil_div(tokens, int64_t{layout.block_tokens}); };
  const double block_bytes = plan.kv_bytes_per_token * layout.block_tokens;
  const int64_t rows = std::max<int64_t>(std::min<int64_t>(options.chunk, context), options.batch);
  const auto widest = sizes_of_run(rows, options.batch, static_cast<double>(context), layout.block_tokens);
  plan.memory.kv = static_cast<double>(blocks(context) * options.batch) * block_bytes;
  plan.memory.activations = arena_bytes(graph, widest) * conditions.activation_scale;
  plan.memory.workspace = workspace_bytes(graph, widest);
  add_common_memory(plan, graph, device, options);
  if (model.vision) plan_vision_part(plan, std::move(*model.vision), device, conditions);

  const double available = available_bytes(device, options);
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
  plan.graph = std::move(model.graph);
  return plan;
}

/// The most pictures whose arena and workspace fit into `left` bytes, as runs of them grow.
int64_t most_pictures(const Graph& graph, double left, double activation_scale) {
  const auto fits = [&](int64_t batch) {
    const Sizes sizes = sizes_of_pictures(graph, batch);
    try {
      return arena_bytes(graph, sizes) * activation_scale + workspace_bytes(graph, sizes) <= left;
    } catch (const InputError&) {
      return false;  // the graph takes no such batch
    }
  };
  if (!fits(1)) return 0;
  if (fixes_batch(graph)) return 1;
  int64_t good = 1, bad = 2;
  while (bad <= kMostPictures && fits(bad)) good = bad, bad *= 2;
  if (bad > kMostPictures) return good;
  while (bad - good > 1) (fits((good + bad) / 2) ? good : bad) = (good + bad) / 2;
  return good;
}

RecipePlan plan_picture_graph(PlannedModel model, const Device& device, const PlanOptions& options) {
  const Graph& graph = model.graph;
  if (options.context > 0)
    throw UsageError("a model of pictures has no context to be {} tokens long", options.context);
  if (fixes_batch(graph) && options.batch != 1)
    throw UsageError("{}: its inputs fix how many pictures a run takes; a batch of {} was asked for",
                     graph.name, options.batch);
  const Sizes sizes = sizes_of_pictures(graph, options.batch);
  if (!concretize(graph, sizes).is_complete())
    throw UnsupportedError("{}: shapes depend on what the run computes, so its cost cannot be told ahead",
                           graph.name);
  RecipePlan plan;
  const RunConditions conditions{device.kind == DeviceKind::cpu ? 1.0 : 0.5, 1.0};
  plan.memory.activations = arena_bytes(graph, sizes) * conditions.activation_scale;
  plan.memory.workspace = workspace_bytes(graph, sizes);
  add_common_memory(plan, graph, device, options);
  const double available = available_bytes(device, options);
  plan.fits = plan.memory.total() <= available;
  plan.largest_batch = most_pictures(
      graph, available - (plan.memory.total() - plan.memory.activations - plan.memory.workspace),
      conditions.activation_scale);
  plan.image = plan_pictures(graph, options.batch, device, conditions);
  plan.graph = std::move(model.graph);
  return plan;
}

}  // namespace

bool keeps_state(const Graph& graph) {
  return std::any_of(graph.inputs().begin(), graph.inputs().end(),
                     [&](ValueId id) { return graph.value(id).type.dtype == DType::state; });
}

bool has_known_sizes(const Graph& graph) {
  for (ValueId id : graph.inputs()) {
    const Shape& shape = graph.value(id).type.shape;
    for (int axis = 0; axis < shape.rank(); ++axis)
      if (shape[axis] < 0 && (axis > 0 || shape[axis] == Shape::kUnknownDim)) return false;
  }
  try {
    return concretize(graph, sizes_of_pictures(graph, 1)).is_complete();
  } catch (const InputError&) {
    return false;  // its first dimensions are no batch: they do not go together at one size
  }
}

std::optional<double> RecipePlan::ttft() const {
  return prefill.empty() ? std::nullopt : prefill.front().seconds;
}

std::optional<double> RecipePlan::tpot() const {
  return decode.empty() ? std::nullopt : decode.front().seconds;
}

std::optional<double> RecipePlan::latency() const {
  return decode.empty() && image ? image->seconds : tpot();
}

std::optional<double> RecipePlan::loss() const {
  if (measured) return measured->loss_percent;
  return prior ? std::optional(prior->loss_percent) : std::nullopt;
}

RecipePlan plan_recipe(PlannedModel model, const Recipe* recipe, const Device& device,
                       const PlanOptions& options) {
  if (recipe) quantize_graph(model.graph, *recipe, {.encodings_only = true});
  // Our CPU kernels quantize activations as they go; weights on a GPU meet 16-bit activations.
  CompileOptions compiling;
  compiling.backend = find_backend("cpu");
  compiling.as_written = device.kind == DeviceKind::gpu;
  rewrite_to_run(model.graph, compiling);
  if (model.vision) rewrite_to_run(*model.vision, compiling);
  RecipePlan plan = plan_compiled(std::move(model), device, options);
  plan.recipe = recipe ? recipe->name : "original";
  // What is published speaks of language models.
  if (!recipe)
    plan.prior = AccuracyPrior{0, false, "the model itself"};
  else if (keeps_state(plan.graph))
    plan.prior = accuracy_prior(*recipe);
  return plan;
}

RecipePlan plan_compiled(PlannedModel model, const Device& device, const PlanOptions& options) {
  return keeps_state(model.graph) ? plan_language(std::move(model), device, options)
                                  : plan_picture_graph(std::move(model), device, options);
}

}  // namespace halftone
