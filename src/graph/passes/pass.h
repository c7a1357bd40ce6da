#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace halftone {

/// A rewrite of a graph that keeps its meaning. Returns how many places it changed.
struct Pass {
  std::string_view name;
  int (*run)(Graph& graph);
};

/// What one pass did: for --passes.
struct PassReport {
  std::string_view name;
  int changes;
  double milliseconds;
};

/// Every pass in the order they run (passes.inc).
std::span<const Pass> standard_passes();

/// One of them, for those who quantize: groups of a Gemm's weights [out, in] run along its inputs, those of a
/// MatMul's [in, out] would run along its outputs.
int linear_to_gemm(Graph& graph);

/// Activations behind a Gemm of many rows that alone feeds them -> the Gemm's own.
int fuse_gemm_activation(Graph& graph);

/// Runs the passes once each in order and verifies the graph where they changed something: at the end, or
/// with asserts after each (verifying costs as much as all passes together).
std::vector<PassReport> run_passes(Graph& graph, std::span<const Pass> passes);

}  // namespace halftone
