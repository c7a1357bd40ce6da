#pragma once

#include <memory>
#include <string>

#include "backend/cuda/device/device.h"
#include "backend/cuda/gemm/weights.h"
#include "base/thread_pool.h"
#include "ops/constant.h"

namespace halftone::cuda {

/// Weights as WeightsView describes them, in a device's memory.
struct PackedWeights {
  std::shared_ptr<std::byte> memory;
  size_t bytes = 0;
  WeightsView view;
};

/// Why weights [n, k] (stored [k, n] unless `transposed`) cannot be packed; empty when they can.
std::string packing_refusal(const Constant& weights, bool transposed);

/// Packs weights and sends them to the device some at a time: the host never holds a second copy of a matrix.
/// `name` is for errors. `halved`: f32 weights become one f16 each and not two.
PackedWeights pack_weights(Device& device, const Constant& weights, bool transposed, const std::string& name,
                           ThreadPool& threads, bool halved = false);

}  // namespace halftone::cuda
