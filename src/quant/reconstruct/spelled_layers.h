#pragma once

#include "graph/graph.h"

namespace halftone {

/// Layers (Conv, Gemm) that end in an activation or a residual that a pass fused into them become layers
/// without, and operators behind them that have gradients. Values keep their ids. Returns how many there
/// were.
int spell_out_layers(Graph& graph);

}  // namespace halftone
