#pragma once

#include <map>
#include <string>
#include <vector>

#include "quant/calib/calibration.h"
#include "quant/calib/range_observer.h"
#include "quant/quantize_graph.h"

namespace halftone {

/// What was seen of one value.
struct ObservedRange {
  std::vector<ClipRange> candidates;  ///< as the observer has them, one or several (range_observer.h)
  ClipRange clip;                     ///< that of them which is taken: the first until someone chooses
  ClipRange whole;                    ///< from the least to the largest number, 0 included
};

/// The range of every floating value of a graph (by name), inputs too, over all samples. Runs the graph
/// as it is, in floating point. Throws InputError naming the value when one was NaN or infinite.
std::map<std::string, ObservedRange> observe_ranges(const Graph& graph, const ObserverOptions& observer,
                                                    const QuantizeOptions& options);

}  // namespace halftone
