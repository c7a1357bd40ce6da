#include "cost/memory.h"

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "cost/roofline.h"
#include "runtime/value_layout.h"

namespace halftone {
namespace {

size_t index(ValueId id) {
  return static_cast<size_t>(id);
}

/// The number in a file of one number; nothing for "max", or where there is no such file.
std::optional<double> number_in(const char* path) {
  std::ifstream file(path);
  double value = 0;
  if (!(file >> value)) return {};
  return value;
}

}  // namespace

double resident_weight_bytes(const Graph& graph, bool packs_copies) {
  std::vector<int> layers(graph.values().size(), 0), readers(graph.values().size(), 0);
  for (const Node& node : graph.nodes())
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue || !graph.value(node.inputs[i]).constant) continue;
      const bool layer = i == 1 && node.schema->name == "Gemm";
      ++(layer ? layers : readers)[index(node.inputs[i])];
    }
  double bytes = 0;
  for (size_t id = 0; id < graph.values().size(); ++id) {
    if (!graph.values()[id].constant) continue;
    const int copies = packs_copies ? layers[id] + (readers[id] > 0) : layers[id] + readers[id] > 0;
    bytes += copies * graph.values()[id].constant->stored_bytes();
  }
  return bytes;
}

double largest_packed_bytes(const Graph& graph) {
  double largest = 0;
  for (const Node& node : graph.nodes()) {
    if (node.schema->name != "Gemm" && node.schema->name != "Conv") continue;
    const auto& weights = graph.value(node.inputs[1]).constant;
    if (!weights) continue;
    const bool packed =
        weights->encoding() ? weights->encoding()->format->is_integer() : weights->dtype() == DType::f32;
    if (packed) largest = std::max(largest, weights->stored_bytes());
  }
  return largest;
}

double arena_bytes(const Graph& graph, const std::map<std::string, int64_t>& symbol_sizes) {
  const ConcreteGraph concrete = concretize(graph, symbol_sizes);
  return static_cast<double>(lay_out_values(graph, concrete).arena_bytes);
}

double workspace_bytes(const Graph& graph, const std::map<std::string, int64_t>& symbol_sizes) {
  double largest = 0;
  for (const OpSite& site : concretize(graph, symbol_sizes).sites)
    if (site.schema->name == "Gemm" && !site.inputs[0].constant && site.inputs[0].encoding)
      largest = std::max(largest, static_cast<double>(site.input_shape(0).elements()));
  return largest;
}

double system_bytes(const Device& device) {
  if (!device.unified_memory) return 0;
  const Efficiencies& table = efficiencies(device.kind);
  return device.figure("memory_bytes").value() * table.os_share + table.os_bytes;
}

std::optional<double> free_memory_bytes() {
  std::optional<double> free;
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  for (double kilobytes = 0; file >> key >> kilobytes;) {
    if (key == "MemAvailable:") free = kilobytes * 1024;
    std::getline(file, unit);
  }
  const auto limit = number_in("/sys/fs/cgroup/memory.max"),
             used = number_in("/sys/fs/cgroup/memory.current");
  if (limit && used) free = std::min(free.value_or(*limit), std::max(0.0, *limit - *used));
  return free;
}

}  // namespace halftone
