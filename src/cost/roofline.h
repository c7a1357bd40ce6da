#pragma once

#include <map>
#include <string>
#include <vector>

#include "cost/device.h"
#include "cost/graph_cost.h"

namespace halftone {

/// What share of a roof the kernels of an operator reach; each with how we know (data/efficiency.json).
struct Efficiency {
  std::string op;       ///< as work_kind() has it; "reference": where no kernel of ours runs; "*": any
  std::string weights;  ///< format of the weights, "int4"; "*": any
  double memory = 1;    ///< of the achievable bandwidth
  double compute = 1;   ///< of the dense peak
  std::string origin;   ///< "measured" or "stated"
  std::string why;
};

/// The factors for one kind of device.
struct Efficiencies {
  std::vector<Efficiency> entries;  ///< the first that matches counts; the last matches all
  double pin_to_achievable_unified = 1;
  double pin_to_achievable_dedicated = 1;
  double seconds_per_node = 0;
  double seconds_per_meeting = 0;  ///< more where several threads share a node and wait for each other
  double runtime_bytes = 0;        ///< what the program itself takes
  double tokenizer_bytes = 0;      ///< and a language model's tokenizer
  double os_share = 0;             ///< of a unified memory that the system keeps, and what it keeps at least
  double os_bytes = 0;

  const Efficiency& find(std::string_view op, std::string_view weights) const;
};
const Efficiencies& efficiencies(DeviceKind kind);

/// Bytes a second that a reader of memory can hope for: measured where a source measured it, else the pin
/// bandwidth times a stated share.
double achievable_bandwidth(const Device& device);
/// The same for that many bytes that are read in turn, where the device is known so well: between two
/// measured sizes by their logarithms.
double achievable_bandwidth(const Device& device, double bytes);

/// What an operator's efficiency goes by: its name, and "Conv depthwise" for convolutions with a channel for
/// each group, whose kernels are others.
std::string work_kind(const OpSite& site);

/// How a graph is run, as far as its cost schemas cannot know.
struct RunConditions {
  double activation_scale = 1;  ///< bytes of an activation over those in the graph (16-bit ones: 0.5)
  double kv_scale = 1;          ///< bytes of a cached token over those in f16
};

/// Where one node stands under the roofline.
struct NodeTime {
  double seconds = 0;
  double flops = 0;
  double bytes = 0;
  bool memory_bound = true;
  bool peak_known = true;  ///< false: no peak of its format is known, so only its bytes were counted
};

/// One run of a graph.
struct RunTime {
  double seconds = 0;
  double memory_bound_seconds = 0;  ///< part spent in nodes that wait for memory
  bool compute_known = true;        ///< false: a node that does much work has no known peak
  GraphCost cost;
  std::vector<NodeTime> nodes;            ///< by node
  std::map<std::string, double> by_op{};  ///< seconds
};

/// The roofline of Williams, Waterman & Patterson ("Roofline: an insightful visual performance model", 2009),
/// node by node: each takes the longer of work over peak and bytes over bandwidth, both roofs lowered by its
/// efficiency, and a fixed time to start (and for several threads to meet). Where a device's caches are
/// known, the bytes that a node hands on come from the cache that they fit in, and weights and states from
/// one that holds all of them.
RunTime run_time(const Graph& graph, const std::map<std::string, int64_t>& symbol_sizes, const Device& device,
                 const RunConditions& conditions = {});

/// The peak that a node's format is computed at on the device, its key ("int8_acc32"), or none when unknown.
std::optional<double> peak_of(const OpSite& site, const Device& device, std::string* key = nullptr);

}  // namespace halftone
