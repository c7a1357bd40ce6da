#pragma once

#include "base/file.h"

namespace halftone {

/// Throws InputError unless save_halftone() may write there, ResourceError where it cannot.
void check_halftone_target(const fs::path& target);

}  // namespace halftone
