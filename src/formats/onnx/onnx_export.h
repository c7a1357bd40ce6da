#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace halftone {

struct OnnxExportOptions {
  /// QuantizeLinear and DequantizeLinear say which values are codes and weights stay integers; otherwise
  /// encoded weights are decoded and static encodings of activations are left out.
  bool pairs = true;
  /// As TensorRT wants it: int8 with zero point 0 everywhere, biases in floating point, and no pair before a
  /// fused activation (it computes these in floating point).
  bool tensorrt = false;
};

/// A graph in ONNX's own operators, and what became of its layers.
struct OnnxExport {
  Graph graph;
  int pairs = 0;                          ///< values that are rounded to codes
  std::vector<std::string> integers;      ///< layers of codes and integer weights
  std::vector<std::string> weights_only;  ///< layers whose weights alone are integers
  std::vector<std::string> floating;      ///< layers with floating weights
};

/// Spells a graph out for ONNX: fused residuals and activations as operators of their own, static encodings
/// (graph/static_codes.h) as pairs of QuantizeLinear and DequantizeLinear, weights as int8 (one scale an
/// output) behind a DequantizeLinear, biases as int32 in units of the input's scale times the weight's. What
/// an integer layer computes exactly and rounds once is computed and rounded in the same places here, the
/// inner scale of an activation by table (ops/requantizer.h) included.
///
/// Names of graph inputs, outputs and values stay. Throws UnsupportedError for operators that ONNX has not
/// and encodings that DequantizeLinear cannot say; for options.tensorrt also where a zero point is not the
/// middle of the codes.
OnnxExport export_onnx(const Graph& graph, const OnnxExportOptions& options);

}  // namespace halftone
