#include "cli/bench_graph.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/check_plan.h"
#include "cli/command.h"
#include "cli/memory_check.h"
#include "cli/pass_report.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cost/machine_probe.h"
#include "cost/roofline.h"
#include "eval/graph_speed.h"
#include "llm/generate.h"
#include "tune/plan.h"

namespace halftone::cli {
namespace {

/// What memory is looked at over, at least: weights of small models stay in the caches between runs, and so
/// do they in the probe's view of the memory.
constexpr double kLeastWorkingSet = 128e6;
/// A look empties the caches, so most runs come without one before them.
constexpr int kRunsBetweenLooks = 5;

/// From the file to the first answer.
struct StartTimes {
  double load_ms = 0, compile_ms = 0;
};

struct Roof {
  double flops, bytes;                 ///< a second, as this machine measures itself
  std::optional<Device> machine = {};  ///< knows the peak of each format

  /// The least time that a layer needs, over the time that it took.
  double share(const LayerTime& layer, const OpSite& site) const {
    const double peak = machine ? peak_of(site, *machine).value_or(flops) : flops;
    return std::max(layer.flops / peak, layer.bytes / bytes) * 1e3 / layer.milliseconds;
  }
};

template <class F>
double timed(F f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

void print_layers(const Plan& plan, const std::vector<LayerTime>& layers, const Roof& roof) {
  double total = 0;
  for (const LayerTime& layer : layers) total += layer.milliseconds;
  Table table({{"operator", Table::Align::left},
               {"layer", Table::Align::left},
               {"kernel", Table::Align::left},
               {"ms"},
               {"share"},
               {"GFLOP/s"},
               {"GB/s"},
               {"of roof"}});
  for (const LayerTime& layer : layers) {
    const Step& step = plan.steps()[layer.step];
    const Node& node = plan.graph().nodes()[static_cast<size_t>(step.node)];
    table.add_row({std::string(node.schema->name), node.name, std::string(step.kernel),
                   fmt::format("{:.3f}", layer.milliseconds),
                   fmt::format("{:.1f} %", 100 * layer.milliseconds / total),
                   fmt::format("{:.1f}", layer.flops / layer.milliseconds / 1e6),
                   fmt::format("{:.1f}", layer.bytes / layer.milliseconds / 1e6),
                   fmt::format("{:.0f} %", 100 * roof.share(layer, plan.graph().site(node)))});
  }
  print_text(table.str());
}

OrderedJson layers_json(const Plan& plan, const std::vector<LayerTime>& layers, const Roof& roof) {
  OrderedJson list = OrderedJson::array();
  for (const LayerTime& layer : layers) {
    const Step& step = plan.steps()[layer.step];
    const Node& node = plan.graph().nodes()[static_cast<size_t>(step.node)];
    list.push_back({{"operator", node.schema->name},
                    {"layer", node.name},
                    {"kernel", step.kernel},
                    {"ms", layer.milliseconds},
                    {"flops", layer.flops},
                    {"bytes", layer.bytes},
                    {"roof_share", roof.share(layer, plan.graph().site(node))}});
  }
  return list;
}

std::string samples_text(const Latency& latency, int repetitions) {
  if (repetitions < 2) return "one run";
  return fmt::format("median of {}, p90 {:.3f}, spread ± {:.1f} %", repetitions, latency.p90,
                     100 * latency.spread);
}

}  // namespace

void bench_graph(Graph graph, const ModelOptions& model, const GraphBench& options) {
  if (options.check_plan && !has_known_sizes(graph))
    throw UsageError("--check-plan: the sizes of {} are not known ahead", model.model);
  const double planned = check_memory(graph, model);
  ThreadPool threads(model.threads);
  StartTimes start;
  start.load_ms = options.load_ms;
  std::shared_ptr<const Plan> plan;
  CompileOptions settings;
  settings.backend = model.backend;
  settings.exact = model.exact;
  settings.cache = open_plan_cache(model);
  settings.name = model.model;
  start.compile_ms = timed([&] { plan = compile(std::move(graph), settings, threads); });
  if (model.explain) fmt::print(stderr, "{}", plan->explain());
  if (options.passes) fmt::print(stderr, "{}", passes_text(*plan));

  const auto loading_peak = static_cast<double>(peak_memory_bytes());
  std::optional<MachineProbe> probe;
  DeviceMemory* const gpu = plan->memory();
  if (!gpu && (options.layers || options.check_plan))
    probe.emplace(threads, std::max(kLeastWorkingSet, static_cast<double>(plan->packed_bytes())));
  Session session(plan, threads);
  Progress progress("bench", model.json);
  const GraphSpeed speed =
      measure_graph(session, options.repetitions, options.layers, [&](int done, int total) {
        if (probe && done % kRunsBetweenLooks == 0) probe->look();
        progress.update(done, total);
      });
  progress.finish();
  const double peak_memory =
      std::max(loading_peak, static_cast<double>(peak_memory_bytes()) - (probe ? probe->bytes() : 0));
  std::optional<Device> machine;
  if (probe) machine = probe->device();
  Roof roof{machine ? *machine->peak("f32") : 1, machine ? achievable_bandwidth(*machine) : 1, machine};
  if (gpu && options.layers) {
    const Roofs roofs = gpu->measure_roofs();
    roof = {roofs.f16_flops, roofs.read_bandwidth};
  }
  std::vector<PlanCheck> checks;
  if (options.check_plan) checks = check_plan(plan->graph(), speed.latency.median, *machine, peak_memory);
  const double first = start.load_ms + start.compile_ms + speed.first_ms;
  const double per_second = 1e3 / speed.latency.median;
  if (model.json) {
    OrderedJson report{{"model", model.model},
                       {"threads", threads.size()},
                       {"latency_ms_median", speed.latency.median},
                       {"latency_ms_p90", speed.latency.p90},
                       {"latency_spread", speed.latency.spread},
                       {"runs_per_s", per_second},
                       {"load_ms", start.load_ms},
                       {"compile_ms", start.compile_ms},
                       {"first_inference_ms", first},
                       {"arena_bytes", session.arena_bytes()},
                       {"workspace_bytes", session.workspace_bytes()},
                       {"packed_bytes", plan->packed_bytes()},
                       {"planned_memory_bytes", planned},
                       {"peak_memory_bytes", peak_memory}};
    if (machine) report["machine"] = machine_json(*machine);
    if (options.check_plan) report["plan_check"] = plan_check_json(checks);
    if (options.layers) report["layers"] = layers_json(*plan, speed.layers, roof);
    if (options.passes) report["passes"] = passes_json(plan->passes());
    return print_json(report);
  }
  if (options.layers) print_layers(*plan, speed.layers, roof);
  print_text(fmt::format(
      "latency {:.3f} ms ({}), {:.1f} runs/s, {} threads\n"
      "first inference {:.1f} ms: load {:.1f}, compile {:.1f}, first run {:.1f}\n"
      "memory: intermediate values {}, workspace {}, packed weights {}, at the peak {} (planned {})\n",
      speed.latency.median, samples_text(speed.latency, options.repetitions), per_second, threads.size(),
      first, start.load_ms, start.compile_ms, speed.first_ms,
      bytes_text(static_cast<double>(session.arena_bytes() - session.workspace_bytes())),
      bytes_text(static_cast<double>(session.workspace_bytes())),
      bytes_text(static_cast<double>(plan->packed_bytes())), bytes_text(peak_memory), bytes_text(planned)));
  if (options.check_plan) print_text("\n" + plan_check_text(checks));
}

}  // namespace halftone::cli
