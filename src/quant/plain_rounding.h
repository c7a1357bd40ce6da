#pragma once

#include "quant/recipe.h"

namespace halftone {

/// Whether codes follow from the floating weights and their encodings alone, as Constant makes them when they
/// are asked for. Not so where scales are searched for or rounding is chosen: then the graph's text does not
/// tell what its weights hold, and no plan cache can find them.
bool rounds_plainly(const Recipe& recipe);

}  // namespace halftone
