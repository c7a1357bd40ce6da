#include "cost/roofline.h"

#include <algorithm>
#include <cmath>

#include "backend/kernel.h"
#include "base/embedded.h"
#include "base/json.h"

namespace halftone {

extern const EmbeddedFile kCostFiles[];

namespace {

constexpr const char* kFile = "data/efficiency.json";

double stated(const Json& object, const char* key) {
  return json_get<double>(json_get<Json>(object, key, kFile), "value", kFile);
}

Efficiencies parse(const Json& file, const char* kind) {
  const Json& part = json_get<Json>(file, kind, kFile);
  Efficiencies table;
  const Json pins = json_get<Json>(part, "pin_to_achievable", kFile);
  table.pin_to_achievable_unified = stated(pins, "unified");
  table.pin_to_achievable_dedicated = stated(pins, "dedicated");
  table.seconds_per_node = stated(part, "seconds_per_node");
  table.seconds_per_meeting = stated(part, "seconds_per_meeting");
  table.runtime_bytes = stated(part, "runtime_bytes");
  table.tokenizer_bytes = stated(part, "tokenizer_bytes");
  const Json os = json_get<Json>(file, "os_bytes", kFile);
  table.os_share = stated(os, "share");
  table.os_bytes = stated(os, "fixed");
  for (const Json& entry : json_get<Json>(part, "entries", kFile))
    table.entries.push_back(
        {json_get<std::string>(entry, "op", kFile), json_get<std::string>(entry, "weights", kFile),
         json_get<double>(entry, "memory", kFile), json_get<double>(entry, "compute", kFile),
         json_get<std::string>(entry, "origin", kFile), json_get<std::string>(entry, "why", kFile)});
  return table;
}

/// Format of a site's weights: "int4", "bf16"; empty when it has none.
std::string weight_format(const OpSite& site) {
  if (site.inputs.size() < 2 || !site.inputs[1].constant) return {};
  const SiteInput& weights = site.inputs[1];
  return std::string(weights.encoding ? weights.encoding->format->name() : dtype_name(weights.type.dtype));
}

bool computes_in_int8(const OpSite& site) {
  if (site.inputs.empty() || site.inputs[0].constant) return false;
  if (site.inputs[0].storage.codes) return true;
  return site.inputs[0].encoding && site.inputs[0].encoding->format->name() == "int8";
}

/// Whether no kernel of the backend takes the site, so that the scalar reference runs it.
bool runs_on_reference(const OpSite& site, const Backend& backend) {
  const auto kernels = backend.kernels();
  return std::none_of(kernels.begin(), kernels.end(), [&](const Kernel& kernel) {
    return kernel.op == site.schema->name && kernel.refusal(site).empty();
  });
}

/// Peaks to look for, best fitting first. 16-bit floats share the units, so one stands in for another.
std::vector<const char*> peak_keys(const OpSite& site, DeviceKind kind) {
  const std::string_view op = site.schema->name;
  const bool multiplies =
      op == "Gemm" || op == "MatMul" || op == "Conv" || op == "PagedAttention" || op == "Attention";
  if (multiplies && computes_in_int8(site)) return {"int8_acc32"};
  if (kind == DeviceKind::cpu || !multiplies) return {"f32"};
  if (weight_format(site) == "bf16") return {"bf16_acc32", "f16_acc32", "f16_acc16"};
  return {"f16_acc32", "f16_acc16", "bf16_acc32"};
}

}  // namespace

const Efficiency& Efficiencies::find(std::string_view op, std::string_view weights) const {
  return *std::find_if(entries.begin(), entries.end(), [&](const Efficiency& entry) {
    return (entry.op == "*" || entry.op == op) && (entry.weights == "*" || entry.weights == weights);
  });
}

const Efficiencies& efficiencies(DeviceKind kind) {
  static const Json file = parse_json(kCostFiles[0].text, kFile);
  static const Efficiencies gpu = parse(file, "gpu"), cpu = parse(file, "cpu");
  return kind == DeviceKind::gpu ? gpu : cpu;
}

double achievable_bandwidth(const Device& device) {
  if (const auto measured = device.figure("achievable_bandwidth")) return *measured;
  const Efficiencies& table = efficiencies(device.kind);
  return device.figure("bandwidth").value() *
         (device.unified_memory ? table.pin_to_achievable_unified : table.pin_to_achievable_dedicated);
}

double achievable_bandwidth(const Device& device, double bytes) {
  const auto& levels = device.bandwidth_by_size;
  if (levels.empty()) return achievable_bandwidth(device);
  const auto above =
      std::find_if(levels.begin(), levels.end(), [&](const auto& level) { return level.first >= bytes; });
  if (above == levels.begin()) return above->second;
  if (above == levels.end()) return levels.back().second;
  const auto& [small, fast] = *(above - 1);
  const auto& [large, slow] = *above;
  return fast * std::pow(slow / fast, std::log(bytes / small) / std::log(large / small));
}

std::string work_kind(const OpSite& site) {
  std::string kind(site.schema->name);
  if (kind != "Conv" || site.inputs.empty()) return kind;
  const int64_t groups = site.attributes->get_int("group", 1);
  return groups > 1 && groups == site.input_shape(0)[1] ? kind + " depthwise" : kind;
}

std::optional<double> peak_of(const OpSite& site, const Device& device, std::string* key) {
  for (const char* candidate : peak_keys(site, device.kind))
    if (const auto peak = device.peak(candidate); peak && *peak > 0) {
      if (key) *key = candidate;
      return peak;
    }
  return {};
}

RunTime run_time(const Graph& graph, const std::map<std::string, int64_t>& symbol_sizes, const Device& device,
                 const RunConditions& conditions) {
  const Efficiencies& table = efficiencies(device.kind);
  const Backend* backend = device.kind == DeviceKind::cpu ? find_backend("cpu") : nullptr;
  const double threads = device.figure("threads_used").value_or(device.figure("sms").value_or(1));
  const double start = table.seconds_per_node + (threads > 1 ? table.seconds_per_meeting : 0);
  RunTime run;
  run.cost = graph_cost(graph, symbol_sizes);
  const double kept = run.cost.total.weight_bytes + run.cost.total.state_bytes * conditions.kv_scale;
  const double from_memory = achievable_bandwidth(device, kept);
  double unknown_flops = 0;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    const Cost& cost = run.cost.nodes[n];
    NodeTime time;
    if (const OpSite site = graph.site(node); !site.is_alias()) {
      const bool slow = backend && runs_on_reference(site, *backend);
      const Efficiency& factor = table.find(slow ? "reference" : work_kind(site), weight_format(site));
      const auto peak = peak_of(site, device);
      time.flops = cost.flops;
      const double handed_on = cost.activation_bytes * conditions.activation_scale;
      const double own = cost.weight_bytes + cost.state_bytes * conditions.kv_scale;
      time.bytes = own + handed_on;
      time.peak_known = peak.has_value();
      if (!peak) unknown_flops += cost.flops;
      const double memory =
          (own / from_memory + handed_on / achievable_bandwidth(device, handed_on)) / factor.memory;
      const double compute = peak ? cost.flops / (*peak * factor.compute) : 0;
      time.memory_bound = memory >= compute;
      time.seconds = std::max(memory, compute) + start;
    }
    run.seconds += time.seconds;
    if (time.memory_bound) run.memory_bound_seconds += time.seconds;
    if (time.seconds > 0) run.by_op[std::string(node.schema->name)] += time.seconds;
    run.nodes.push_back(time);
  }
  run.compute_known = unknown_flops < 0.5 * run.cost.total.flops;
  return run;
}

}  // namespace halftone
