#pragma once

#include <functional>

#include "backend/cpu/packed_memory.h"
#include "backend/cpu/tile/float_tile_loops.h"

namespace halftone::cpu {

/// Weights and biases in the panels that FloatTileLoops read.
class PackedPanels {
 public:
  /// weight(n, k) for n in [0, outputs), k in [0, depth); bias(n). Outputs of a panel that do not exist are
  /// 0.
  PackedPanels(const FloatTileLoops& loops, int64_t outputs, int64_t depth,
               const std::function<float(int64_t n, int64_t k)>& weight,
               const std::function<float(int64_t n)>& bias);

  const float* panels() const { return reinterpret_cast<const float*>(memory_.data()); }
  const float* bias() const { return panels() + bias_offset_; }
  size_t bytes() const { return memory_.size(); }

 private:
  PackedMemory memory_;
  int64_t bias_offset_;
};

}  // namespace halftone::cpu
