#pragma once

#include "backend/cuda/gemm/half_rows_kernels.h"
#include "backend/cuda/launch.h"

namespace halftone::cuda {

/// Launches half_rows for m rows; `args.wide` is set here.
void launch_half_rows(Device& device, HalfRowsArgs args, int m);

}  // namespace halftone::cuda
