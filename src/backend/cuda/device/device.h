#pragma once

/// What a device kernel may use, and all it may use. nvcc reads the same kernel sources for the GPU and g++
/// for the host, where the threads of a block are fibers (host/block.h); every name below means the same to
/// both. A kernel is
///
///     struct ScaleArgs { const float* x; float* y; int64_t count; float by; };
///     DEVICE_KERNEL(scale, ScaleArgs) {                      // in scale.cu; `args` is the argument
///       const int64_t i = int64_t{block_x()} * block_threads() + thread();
///       if (i < args.count) args.y[i] = args.x[i] * args.by;
///     }
///
/// declared for the host side in a header by DECLARE_DEVICE_KERNEL(scale, ScaleArgs), and run by launch()
/// (launch.h). Blocks have one dimension and whole warps; grids have up to three.

#include "backend/cuda/device/async_copy.h"
#include "backend/cuda/device/global_memory.h"
#include "backend/cuda/device/half.h"
#include "backend/cuda/device/kernel.h"
#include "backend/cuda/device/math.h"
#include "backend/cuda/device/matrix.h"
#include "backend/cuda/device/shared_memory.h"
#include "backend/cuda/device/sync.h"
#include "backend/cuda/device/words.h"
