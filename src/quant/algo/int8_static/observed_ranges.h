#pragma once

#include <map>
#include <string>

#include "quant/calib/calibration.h"
#include "quant/calib/range_observer.h"
#include "quant/quantize_graph.h"

namespace halftone {

/// The clip range of every floating value of a graph (by name), inputs too, over all samples. Runs the graph
/// as it is, in floating point. Throws InputError naming the value when one was NaN or infinite.
std::map<std::string, ClipRange> observe_ranges(const Graph& graph, const ObserverOptions& observer,
                                                const QuantizeOptions& options);

}  // namespace halftone
