#include "graph/passes/pass.h"

#include <chrono>

namespace halftone {

#define HALFTONE_PASS(function) int function(Graph& graph);
#include "graph/passes/passes.inc"
#undef HALFTONE_PASS

std::span<const Pass> standard_passes() {
  static constexpr Pass kPasses[] = {
#define HALFTONE_PASS(function) {#function, function},
#include "graph/passes/passes.inc"
#undef HALFTONE_PASS
  };
  return kPasses;
}

std::vector<PassReport> run_passes(Graph& graph, std::span<const Pass> passes) {
  std::vector<PassReport> reports;
  for (const Pass& pass : passes) {
    const auto start = std::chrono::steady_clock::now();
    const int changes = pass.run(graph);
    if (changes > 0) verify(graph);
    const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
    reports.push_back({pass.name, changes, spent.count()});
  }
  return reports;
}

}  // namespace halftone
