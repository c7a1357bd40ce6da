#include "runtime/rewrite.h"

#include "graph/passes/dynamic_activations.h"
#include "graph/passes/fuse_gains.h"
#include "graph/passes/layout.h"
#include "graph/passes/lower_codes.h"
#include "runtime/widen_short_floats.h"

namespace halftone {

std::vector<PassReport> rewrite_to_run(Graph& graph, const CompileOptions& options) {
  std::vector<PassReport> reports;
  if (options.run_passes) reports = run_passes(graph, standard_passes());
  if (options.exact)
    remove_dynamic_activations(graph);
  else if (!options.as_written)
    add_dynamic_activations(graph);
  if (options.backend && options.backend->memory()) remove_rounded_activations(graph);
  if (options.run_passes && options.backend)
    for (PassReport& report : run_passes(graph, backend_passes(options.backend->wants_channels_last())))
      reports.push_back(std::move(report));
  lower_codes(graph);
  if (options.run_passes && options.backend) {
    fuse_gains(graph);
    widen_short_floats(graph, *options.backend);
  }
  verify(graph);
  return reports;
}

}  // namespace halftone
