#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/model.h"

namespace halftone {

/// Shapes of well-known models that can be built without their files ("llama-3-8b"), for benchmarks.
std::vector<std::string> synthetic_shapes();

/// What a shape leaves out of the model it is named after, or counts otherwise; empty for most, and for
/// unknown names.
std::string synthetic_note(const std::string& shape);

/// The graph of such a model with random bf16 weights (standard deviation 0.02), the same on each call. A
/// matrix is made when its constant is loaded: a few rows of its own, repeated. Asked for its codes it
/// encodes only those rows, so that a quantized model costs no more memory than its packed weights and one
/// tensor. Throws UsageError for an unknown name (naming the known ones) or a context beyond the model's.
Graph build_synthetic_llm(const std::string& shape, BuildOptions options = {});

/// What turns pictures into tokens of the shape's language model (vision_tower.h), with random weights;
/// nothing for shapes without it. Throws UsageError for an unknown name.
std::optional<Graph> build_synthetic_vision(const std::string& shape);

}  // namespace halftone
