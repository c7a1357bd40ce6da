#pragma once

#include "backend/kernel.h"

namespace halftone::sdk {

/// The CPU's kernels with those of registered operators before them. Of the moment: operators that are
/// registered later are not in it.
std::unique_ptr<Backend> backend_with_custom_operators();

}  // namespace halftone::sdk
