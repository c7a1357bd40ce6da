#pragma once

#include <vector>

#include "backend/cuda/launch.h"
#include "backend/kernel.h"

namespace halftone::cuda {

/// Draws tokens on the device. The same filters in the same order as the engine's sampler on the host, with
/// sums in double in the same order, and the same generator: the draws are equal unless e^x rounds
/// differently, which moves a limit between two tokens by about 2^-24 of its weight.
class DeviceSampler : public TokenDrawer {
 public:
  /// Why these settings must be drawn on the host; empty: they need not.
  static Refusal refusal(const SamplingOptions& options, int64_t vocabulary);

  /// The settings must not be refused.
  DeviceSampler(Device& device, const SamplingOptions& options, int64_t vocabulary);

  int32_t draw(const float* logits, std::span<const int32_t> history) override;

 private:
  void send(std::span<const int32_t> history);

  Device& device_;
  SamplingOptions options_;
  int vocabulary_, keep_, parts_, part_;
  std::shared_ptr<std::byte> state_, keys_, ids_, id_;
  std::shared_ptr<std::byte> history_;  ///< how many, then the ids
  std::vector<int32_t> sent_;           ///< what history_ holds
  size_t capacity_ = 0;                 ///< ids that history_ has room for
};

}  // namespace halftone::cuda
