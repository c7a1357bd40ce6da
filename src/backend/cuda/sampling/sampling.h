#pragma once

#include <cstdint>
#include <memory>

#include "backend/cuda/launch.h"
#include "backend/kernel.h"

namespace halftone::cuda {

/// As the engine's sampler has them.
struct SamplingSettings {
  float temperature = 0.8f;
  int top_k = 40;
  float top_p = 0.95f;
  float min_p = 0;
  float repeat_penalty = 1;
};

/// Draws tokens where the logits are, so that nothing but the chosen id leaves the device. The same filters
/// in the same order as the engine's sampler on the host, with sums in double in the same order, and the same
/// generator: the draws are equal unless e^x rounds differently, which moves a limit between two tokens by
/// about 2^-24 of its weight.
class DeviceSampler {
 public:
  /// Why these settings must be drawn on the host; empty: they need not.
  static Refusal refusal(const SamplingSettings& settings, int64_t vocabulary);

  /// The settings must not be refused.
  DeviceSampler(Device& device, const SamplingSettings& settings, int64_t vocabulary, uint64_t seed);

  /// Launches alone, so that it can be recorded: *id becomes the next token, or -1 where a logit is NaN, -2
  /// where all are minus infinity. `history` holds *history_count ids that the repetition penalty is for;
  /// unused without one. All of it lies in the device's memory.
  void launch(const float* logits, int32_t* id, const int32_t* history = nullptr,
              const int32_t* history_count = nullptr) const;

 private:
  Device& device_;
  SamplingSettings settings_;
  int vocabulary_, keep_, parts_, part_;
  std::shared_ptr<std::byte> state_, keys_, ids_;
};

}  // namespace halftone::cuda
