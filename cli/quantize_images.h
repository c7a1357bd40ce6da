#pragma once

#include "cli/quantize_run.h"

namespace halftone::cli {

/// Whether a path names a model of pictures: an .onnx file, or a folder that says how pictures are prepared.
bool takes_pictures(const fs::path& model);

/// The recipe with what the flags --observer, --percentile, --requantization, --no-measure,
/// --no-even-channels, --integer-only, --softmax and --gelu say in place of its own. Without static
/// activations the first two speak of the weights that the recipe rounds to nearest. Throws UsageError for
/// what it has no use for.
Recipe with_static_flags(Recipe recipe, const StaticFlags& flags);

/// Quantizes a model of pictures, calibrated on the pictures of the folder --calib, all or --calib-samples of
/// them, and writes it with its pre-processing and the receipt.
Receipt quantize_images(const QuantizeCommand& command);

}  // namespace halftone::cli
