#pragma once

#include <string>
#include <vector>

#include "quant/calib/calibration.h"
#include "quant/calib/range_observer.h"
#include "quant/quantize_graph.h"
#include "quant/recipe.h"

namespace halftone {

/// Static int8: decides which nodes compute on codes (integer_plan.h), watches the
/// values between them on calibration data, puts a static encoding on each use and output
/// (graph/static_codes.h), and corrects biases (bias_correction.h). Weights of `targets` carry their
/// encodings already; those of layers that stay floating get their originals back. `floating` is the same
/// graph without encodings.
///
/// With the observer "search" each scale takes the candidate range (range_observer.h) under which the layers
/// that read it, alone on codes, leave the least noise at the ends of the model (end_noise.h).
///
/// The layers whose codes cost most at the ends of the model stay floating, within recipe.floating_share
/// (costly_layers.h). With recipe.measure each layer is timed both ways on the first sample, and stays
/// floating where its integer kernel is the slower one. Returns what was decided and why. Throws UsageError
/// without calibration data, UnsupportedError for a model with states, InputError when a value was NaN or
/// infinite.
std::vector<LayerNote> set_static_activations(Graph& graph, const Graph& floating,
                                              const std::vector<QuantTarget>& targets,
                                              const StaticActivations& recipe,
                                              const QuantizeOptions& options);

/// The same decisions without data, as if every value lay between -1 and 1, all layers were quiet and none
/// slower in integers: what a plan of sizes and times needs to know. Values of `without_scales` (by name)
/// stay floating unless a layer reads them.
void assume_static_activations(Graph& graph, const std::vector<QuantTarget>& targets,
                               const StaticActivations& recipe,
                               const std::vector<std::string>& without_scales);

}  // namespace halftone
