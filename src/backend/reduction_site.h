#pragma once

#include <vector>

#include "backend/kernel.h"

namespace halftone {

/// Which axes of data a reduction (or GlobalMaxPool) takes away, in the order in which they lie.
std::vector<bool> lying_reduced_axes(const OpSite& site);

/// Empty when the axes are known, no value is codes, and the output lies as the input, or planar where those
/// are the same bytes (channels go, or all places).
Refusal reduction_order_refusal(const OpSite& site);

}  // namespace halftone
