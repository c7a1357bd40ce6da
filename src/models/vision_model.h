#pragma once

#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "graph/graph.h"
#include "models/model.h"

namespace halftone {

/// The graph of an image classifier, by its configuration's architecture.
///
/// Input:  pixel_values f32 [batch, channels, height, width], batch a symbol.
/// Output: logits f32 [batch, classes].
/// Weights are the checkpoint's own constants under its names; nodes are named like the modules.
///
/// Throws UnsupportedError for an unknown architecture (naming the known ones) or setting, InputError for a
/// configuration or tensors that do not fit.
Graph build_vision_model(const Checkpoint& checkpoint, const BuildOptions& options = {});

/// Whether the configuration names an architecture that build_vision_model() knows.
bool is_vision_config(const Json& config, const std::string& source);

/// Architectures that build_vision_model() knows ("ViTForImageClassification").
std::vector<std::string> known_vision_architectures();

}  // namespace halftone
