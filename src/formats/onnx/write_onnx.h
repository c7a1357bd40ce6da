#pragma once

#include <string>

#include "base/file.h"
#include "graph/graph.h"

namespace halftone {

/// The operator set that a graph needs: 21, or the later one that brought one of its operators.
int64_t onnx_opset(const Graph& graph);

/// Writes a graph of ONNX's own operators and plain constants as an .onnx file, which is there whole or not
/// at all. Names of values are the file's; `version` is the program's. Throws UnsupportedError for encoded
/// constants, operators and attributes that ONNX has not, states, and models of 2 GB and more (protobuf's
/// limit).
void write_onnx(const Graph& graph, const fs::path& target, const std::string& version);

}  // namespace halftone
