#pragma once

#include <map>
#include <string>

#include "base/file.h"
#include "graph/graph.h"

namespace halftone {

struct OnnxImportOptions {
  /// Sizes for dimensions that the model leaves open, by their names ("batch", or "INPUT.AXIS" where the
  /// model gives none). Others become symbols of the graph.
  std::map<std::string, int64_t> sizes;
  /// Inputs that become constants. An f64 without axes stands for a number of whatever type the input has.
  std::map<std::string, Tensor> constants;
};

/// An ONNX model (operator sets 1 to 27) as a graph in today's operators; docs/formats/onnx.md says what is
/// handled. Weights are views into the mapped file. Names of values are the model's.
///
/// Throws InputError naming the file and the place of what is broken, UnsupportedError naming what is not
/// handled, and why.
Graph import_onnx(const fs::path& path, const OnnxImportOptions& options = {});

}  // namespace halftone
