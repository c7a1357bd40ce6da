#pragma once

#include "backend/kernel.h"

namespace halftone {

/// The backend "cpu": the kernels of kernels.inc that were compiled for this family of processors.
const Backend& cpu_backend();

}  // namespace halftone
