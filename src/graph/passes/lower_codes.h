#pragma once

#include "graph/graph.h"

namespace halftone {

/// Carries out static activation encodings (graph/static_codes.h): each becomes the storage of a value, and
/// leaves the nodes.
///
/// A value is stored as the output encoding of its maker says. A use that wants other codes, or none, reads
/// it through an Identity that converts; uses that want the same share one. So a residual with an integer and
/// a floating reader is stored as codes and decoded once. Graph inputs and outputs stay plain. Reshapes and
/// their like keep the codes that they are given.
///
/// Orders stay as the layout pass left them, which runs before; only an image that a convolution would read
/// planar is turned, as it becomes codes. Returns how many values are stored as codes.
int lower_codes(Graph& graph);

/// Whether a static encoding is left on any node.
bool has_static_encodings(const Graph& graph);

}  // namespace halftone
