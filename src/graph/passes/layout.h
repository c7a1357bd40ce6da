#pragma once

#include <span>

#include "graph/passes/pass.h"

namespace halftone {

/// Lets chains of convolutions, pools and what stands between them store their values channels-last: sets
/// Storage::Order and puts Identity nodes where a reader cannot take it. Graph inputs and outputs stay
/// planar. Returns how many values it turned.
int assign_layout(Graph& graph);

/// What compile() runs for a backend after the encodings are set, in order: passes that change how a graph
/// runs but not what a recipe may say of it. Without `channels_last` every value stays planar.
std::span<const Pass> backend_passes(bool channels_last = true);

}  // namespace halftone
