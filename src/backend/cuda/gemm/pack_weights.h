#pragma once

#include <string>
#include <vector>

#include "backend/cuda/gemm/weights.h"
#include "base/thread_pool.h"
#include "ops/constant.h"

namespace halftone::cuda {

/// Weights as WeightsView describes them, on the host; `view`'s pointers are offsets into `bytes` from null.
struct PackedWeights {
  std::vector<std::byte> bytes;
  WeightsView view;

  /// The view of a copy of the bytes.
  WeightsView at(const std::byte* base) const;
};

/// Why weights [n, k] (stored [k, n] unless `transposed`) cannot be packed; empty when they can.
std::string packing_refusal(const Constant& weights, bool transposed);

/// `name` is for errors. `halved`: f32 weights become one f16 each and not two.
PackedWeights pack_weights(const Constant& weights, bool transposed, const std::string& name,
                           ThreadPool& threads, bool halved = false);

}  // namespace halftone::cuda
