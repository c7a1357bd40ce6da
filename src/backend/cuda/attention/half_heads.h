#pragma once

#include "backend/cuda/attention/attention_extents.h"
#include "backend/cuda/launch.h"

namespace halftone::cuda {

/// Keys, or values, of a use of attention without a cache as the Tensor Cores' kernels read them: f16
/// [sequences, heads, length, dim padded to pieces of 16 bytes], in a workspace.
class HalfHeads {
 public:
  /// Heads that those kernels take.
  static bool fits(const HeadsExtent& e) { return e.dim % 2 == 0 && e.dim <= 256; }
  static int64_t elements(const HeadsExtent& e, int64_t length);

  HalfHeads(Device& device, const HeadsExtent& e, int64_t length, f16* memory);

  /// Puts `from`, whose heads lie as `e` says, at positions from `first` on; with `valid`, a count for each
  /// sequence in the device's memory, positions beyond it become zeros.
  void store(const float* from, const HeadsExtent& e, int64_t first, const int64_t* valid = nullptr) const;
  KvSide side() const;

 private:
  Device& device_;
  int64_t heads_, length_, padded_;
  f16* memory_;
};

}  // namespace halftone::cuda
