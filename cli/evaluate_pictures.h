#pragma once

#include "cli/quantize_run.h"
#include "graph/graph.h"

namespace halftone::cli {

/// Measures a quantized model of pictures and its original on the pictures of --eval-images: average
/// precision where --annotations is given, top-1 otherwise.
ReceiptPictures evaluate_pictures(const QuantizeCommand& command, const Graph& quantized,
                                  ThreadPool& threads);

}  // namespace halftone::cli
