#pragma once

#include "graph/graph.h"

namespace halftone {

/// Conv (integers to floats, silu) -> Mul by a constant of one positive element a channel, which alone reads
/// it
/// -> Identity (floats to codes) -> the Conv with the constant as its gains and the codes as its output.
/// Where the product is stored as several codes the finest are made and the others converted from them; where
/// floats are read too they are decoded. For lowered graphs (lower_codes.h). Returns how many there were.
int fuse_gains(Graph& graph);

}  // namespace halftone
