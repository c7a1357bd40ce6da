#pragma once

#include "formats/open_graph.h"

namespace halftone {

/// The graph of what is no language model: an ONNX model, a Halftone folder, a Hugging Face folder of an
/// image classifier. `options` are for ONNX models. Throws InputError, UnsupportedError.
Graph open_model_graph(const fs::path& path, const OnnxImportOptions& options = {});

}  // namespace halftone
