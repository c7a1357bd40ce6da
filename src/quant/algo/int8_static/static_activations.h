#pragma once

#include <string>
#include <vector>

#include "quant/calib/calibration.h"
#include "quant/calib/range_observer.h"
#include "quant/quantize_graph.h"
#include "scheme/requantize.h"

namespace halftone {

/// Activations between layers as codes of scales found ahead on calibration data.
struct StaticActivations {
  ObserverOptions observer;
  bool symmetric = false;  ///< as many codes above as below 0
  Requantization requantization = Requantization::floating;
  /// Layers that run faster in floating point on this machine stay there.
  bool measure = true;

  friend bool operator==(const StaticActivations&, const StaticActivations&) = default;
};

/// Static int8: decides which nodes compute on codes (integer_plan.h), watches the
/// values between them on calibration data, and puts a static encoding on each use and output (graph/static_codes.h). Weights of
/// `targets` carry their encodings already; those of layers that stay floating get their originals back.
///
/// With options.measure each layer is timed both ways on the first sample, and stays floating where its
/// integer kernel is the slower one. Returns what was decided and why. Throws UsageError without calibration
/// data, InputError when a value was NaN or infinite.
std::vector<LayerNote> set_static_activations(Graph& graph, const Graph& original,
                                              const std::vector<QuantTarget>& targets,
                                              const StaticActivations& recipe, const QuantizeOptions& options);

}  // namespace halftone
