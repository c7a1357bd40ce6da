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
  /// As the observer has them, one or several (range_observer.h); none where no scale covers the value.
  std::vector<ClipRange> candidates;
  ClipRange clip;      ///< that of them which is taken: the first until someone chooses
  ClipRange whole;     ///< from the least to the largest number, 0 included
  bool finite = true;  ///< all numbers that were seen

  /// Why no scale covers it, as none does a mask of -infinity or of the least f32; empty where one does.
  std::string unscalable() const;
};

/// The range of every floating value of a graph (by name), inputs too, over all samples. Runs the graph
/// as it is, in floating point.
std::map<std::string, ObservedRange> observe_ranges(const Graph& graph, const ObserverOptions& observer,
                                                    const QuantizeOptions& options);

}  // namespace halftone
