#pragma once

#include <map>
#include <string>

#include "graph/graph.h"

namespace halftone {

/// A graph that computes in f16 or bf16 computes in f32 from here on, for what calibrates and learns reads
/// f32: what inputs and outputs of these types hold is converted at the ends, so the model looks as it did
/// from outside. Weights of Conv and Gemm keep their type. Graphs whose activations are f32, whose constants
/// are encoded or that keep a state stay as they are.
///
/// Returns the bytes that each constant took which is f32 now, by name; nothing where nothing was done.
std::map<std::string, double> compute_in_f32(Graph& graph);

}  // namespace halftone
