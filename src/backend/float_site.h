#pragma once

#include "backend/kernel.h"

namespace halftone {

/// Empty when each of the first `inputs` inputs and every output is f32, and none of them has an encoding;
/// otherwise which is not.
Refusal not_all_f32(const OpSite& site, size_t inputs);

}  // namespace halftone
