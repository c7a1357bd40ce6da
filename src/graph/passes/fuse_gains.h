#pragma once

#include "graph/graph.h"

namespace halftone {

/// Conv (integers to floats, silu) -> Mul by a constant of one positive element a channel -> Identity (floats
/// to codes), each read by the next alone -> the Conv with the constant as its gains and the codes as its
/// output. For lowered graphs (lower_codes.h). Returns how many there were.
int fuse_gains(Graph& graph);

}  // namespace halftone
