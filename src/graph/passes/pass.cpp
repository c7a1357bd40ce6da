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
#ifdef NDEBUG
  constexpr bool kVerifyEach = false;
#else
  constexpr bool kVerifyEach = true;
#endif
  std::vector<PassReport> reports;
  int all = 0;
  for (const Pass& pass : passes) {
    const auto start = std::chrono::steady_clock::now();
    const int changes = pass.run(graph);
    if (kVerifyEach && changes > 0) verify(graph);
    const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
    reports.push_back({pass.name, changes, spent.count()});
    all += changes;
  }
  if (!kVerifyEach && all > 0) verify(graph);
  return reports;
}

}  // namespace halftone
