#pragma once

#include <vector>

#include "graph/graph.h"
#include "quant/quantize_graph.h"

namespace halftone {

/// A value at the end of a graph: its channels lie along `axis`.
struct EndValue {
  ValueId value;
  int axis;
  friend bool operator==(const EndValue&, const EndValue&) = default;
};

/// The last values that layers decide: outputs of layers, residuals added, from which a path leads to an
/// output of the graph without another layer. Such are the logits of a classifier and the last convolutions
/// of a detector's heads, also where boxes go through one more convolution and scores do not.
std::vector<EndValue> end_values(const Graph& graph);

/// What rounding does to the ends of a graph, on a few calibration samples.
class EndNoise {
 public:
  /// Runs the floating graph and keeps its ends.
  EndNoise(const Graph& floating, const QuantizeOptions& options);

  /// Squared error at the ends of `graph` (same nodes and values, some of them on codes), relative to the
  /// variance within the channels there; the mean over the ends. Infinite where a number is NaN or infinite
  /// that the floating graph has otherwise.
  double of(const Graph& graph) const;

 private:
  std::vector<std::vector<Tensor>> run(const Graph& graph) const;  ///< by end, by sample

  const QuantizeOptions& options_;
  std::vector<int> samples_;
  std::vector<EndValue> ends_;
  std::vector<double> variances_;  ///< by end: squared distances from the channels' means, added up
  std::vector<std::vector<Tensor>> wanted_;
};

}  // namespace halftone
