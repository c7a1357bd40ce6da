#pragma once

#include "eval/layer_compare.h"

namespace halftone {

/// Runs two versions of a graph without states side by side over the samples, each on its own activations,
/// the first with floating ones, and compares what layers with weights make and what the graphs give out.
/// Values are matched by name after the passes, so an ONNX model, a folder quantized from it and a file
/// exported from that can be compared. Throws InputError when the two have no value in common or inputs of
/// other names.
ModelComparison compare_graphs(const Graph& original, const Graph& other, const CalibrationData& data,
                               const CompareOptions& options);

}  // namespace halftone
