#pragma once

#include <vector>

#include "cli/progress.h"
#include "cli/quantize_run.h"
#include "formats/halftone_folder.h"
#include "graph/graph.h"

namespace halftone::cli {

/// What --format cannot hold (UnsupportedError), and an output that cannot be written, is told before the
/// calibration, not after it.
void check_format(const QuantizeCommand& command, Graph graph, const Recipe& recipe,
                  const std::vector<CompanionFile>& companions);

/// Writes the model to command.output: Halftone's own folder, or what --format names. In another tool's
/// format `graph` is from then on what was read back, so that what is measured is what was written.
void write_quantized(const QuantizeCommand& command, Receipt& receipt, Graph& graph,
                     const std::vector<CompanionFile>& companions, Progress& progress);

}  // namespace halftone::cli
