#include "cli/memory_check.h"

#include <fmt/format.h>

#include "base/error.h"
#include "cli/table.h"
#include "llm/generate.h"
#include "tune/plan.h"

namespace halftone::cli {
namespace {

/// Sizes do not depend on a device's speed.
const Device& any_cpu() {
  return find_device("cpu-generic");
}

bool is_quantized(const Graph& graph) {
  for (const Value& value : graph.values())
    if (value.constant && value.constant->encoding()) return true;
  return false;
}

bool fits(const Graph& graph, const char* name, const PlanOptions& plan) {
  try {
    const Recipe recipe = find_recipe(name);
    return plan_recipe({graph}, &recipe, any_cpu(), plan).fits;
  } catch (const UsageError&) {
    return false;  // it quantizes nothing here
  }
}

/// The recipe of the most bits under which the graph fits, or "".
std::string fitting_recipe(const Graph& graph, const PlanOptions& plan) {
  if (is_quantized(graph)) return {};
  const std::vector<const char*> names =
      keeps_state(graph)
          ? std::vector{"rtn-w8", "rtn-w6g64", "rtn-w5g64", "rtn-w4g32", "rtn-w4g128", "rtn-w3g64"}
          : std::vector{"int8-static"};
  for (const char* name : names)
    if (fits(graph, name, plan)) return name;
  return {};
}

[[noreturn]] void refuse(const MemoryNeed& need, double free, const std::string& advice) {
  throw ResourceError("memory will not do: {}; {}; --force goes on", memory_sum_text(need, free), advice);
}

/// Of the device that the model is to lie on, or of this machine.
std::optional<double> free_bytes_of(const Backend* backend) {
  if (DeviceMemory* memory = backend ? backend->memory() : nullptr)
    if (const std::optional<size_t> free = memory->free_bytes()) return static_cast<double>(*free);
  return free_memory_bytes();
}

}  // namespace

double check_memory(const Graph& graph, const EngineOptions& engine, const ModelOptions& options) {
  PlanOptions plan;
  plan.context = engine.context;
  plan.batch = engine.sequences;
  plan.chunk = engine.chunk;
  plan.kv = engine.kv_format;
  plan.free_bytes = free_bytes_of(engine.backend);
  plan.prompt_tokens.clear();
  plan.depths.clear();
  const RecipePlan planned = plan_recipe({graph}, nullptr, any_cpu(), plan);
  if (!plan.free_bytes || planned.fits || options.force) return planned.memory.total();

  if (planned.largest_context > 0)
    refuse(planned.memory, *plan.free_bytes,
           fmt::format("a context of {0} fits (-c {0})", planned.largest_context));
  const std::string recipe = fitting_recipe(graph, plan);
  refuse(planned.memory, *plan.free_bytes,
         recipe.empty() ? "no shorter context makes it fit, nor a recipe of three bits or more"
                        : fmt::format("quantized by {} it fits", recipe));
}

double check_memory(const Graph& graph, const ModelOptions& options) {
  const std::optional<double> free = free_bytes_of(options.backend);
  if (!has_known_sizes(graph)) {
    MemoryNeed need;
    need.weights = resident_weight_bytes(graph, true);
    need.loading = largest_packed_bytes(graph);
    need.runtime = efficiencies(DeviceKind::cpu).runtime_bytes;
    if (free && need.total() > *free && !options.force)
      refuse(need, *free, "values between the layers, whose sizes are not known ahead, come on top");
    return need.total();
  }
  PlanOptions plan;
  plan.free_bytes = free;
  const RecipePlan planned = plan_recipe({graph}, nullptr, any_cpu(), plan);
  if (!free || planned.fits || options.force) return planned.memory.total();
  const std::string recipe = fitting_recipe(graph, plan);
  refuse(planned.memory, *free,
         recipe.empty() ? "no recipe makes it fit" : fmt::format("quantized by {} it fits", recipe));
}

std::string memory_text(double planned) {
  return fmt::format("peak memory {} (planned {})", bytes_text(static_cast<double>(peak_memory_bytes())),
                     bytes_text(planned));
}

}  // namespace halftone::cli
