#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "runtime/session.h"

namespace halftone {

/// The median and what the times around it are like, in milliseconds.
struct Latency {
  double median = 0, p90 = 0;
  double spread = 0;  ///< half the distance between the quartiles, as a share of the median; NaN of one
};
Latency latency_of(std::vector<double> milliseconds);

/// What one step of a plan takes, and what it does.
struct LayerTime {
  size_t step;
  double milliseconds;  ///< the median
  double flops, bytes;
};

struct GraphSpeed {
  double first_ms = 0;  ///< the first run, which lays out memory
  Latency latency;
  std::vector<LayerTime> layers;  ///< in order; empty unless they were asked for
};

/// Tensors for the inputs of a graph, normally distributed (the same each time), integers 0. Sizes that the
/// graph leaves open are 1. InputError for a state.
std::map<std::string, Tensor> made_inputs(const Graph& graph);

/// Runs a session on made inputs: a few times uncounted, then `repetitions` times. Layers are timed in runs
/// of their own.
GraphSpeed measure_graph(Session& session, int repetitions, bool layers,
                         const std::function<void(int done, int total)>& progress = {});

}  // namespace halftone
