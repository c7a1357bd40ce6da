#pragma once

#include <vector>

#include "graph/graph.h"
#include "quant/quantize_graph.h"

namespace halftone {

/// What rounding does to the ends of a graph: the outputs of those layers from which no other layer is
/// reached (the logits of a classifier, the last convolutions of a detector's heads), on a few calibration
/// samples.
class EndNoise {
 public:
  /// Runs the floating graph and keeps its ends.
  EndNoise(const Graph& floating, const QuantizeOptions& options);

  /// Squared error at the ends of `graph` (same nodes and values, some of them on codes), relative to the
  /// variance within the channels there; the mean over the ends.
  double of(const Graph& graph) const;

 private:
  struct End {
    ValueId value;
    int axis;             ///< of the channels
    double variance = 0;  ///< squared distances from the channels' means, added up
  };
  std::vector<std::vector<Tensor>> run(const Graph& graph) const;  ///< by end, by sample

  const QuantizeOptions& options_;
  std::vector<int> samples_;
  std::vector<End> ends_;
  std::vector<std::vector<Tensor>> wanted_;
};

}  // namespace halftone
