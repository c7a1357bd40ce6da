#pragma once

#include "formats/onnx/import_onnx.h"

namespace halftone {

/// Whether `path` names an ONNX model: a file that ends in .onnx.
bool is_onnx_file(const fs::path& path);

/// The graph of an ONNX model or of a Halftone folder. `options` are for ONNX models. Throws InputError,
/// UnsupportedError.
Graph open_graph(const fs::path& path, const OnnxImportOptions& options = {});

}  // namespace halftone
