#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// The most candidates that a draw is made among, and parts that a vocabulary is cut into.
constexpr int kSamplingMost = 128;
constexpr int kSamplingParts = 128;
constexpr int kSamplingThreads = 256;

/// In place of an id: a logit is NaN; all are minus infinity.
constexpr int kSampledNan = -1, kSampledNothing = -2;

/// The `keep` largest logits of each part of the vocabulary, after the repetition penalty, in the order of
/// their ids. A block a part.
struct SamplingPartArgs {
  const float* logits;
  const int32_t* history;        ///< ids that the penalty is for; null: none
  const int32_t* history_count;  ///< how many
  uint32_t* keys;                ///< [parts, keep]: key_of() the logit; 0: no candidate
  int32_t* ids;                  ///< [parts, keep]
  int vocabulary, part, keep;
  float penalty;
};
constexpr size_t sampling_part_shared(int part) {
  return static_cast<size_t>(part) * sizeof(uint32_t) + 2 * kWarp * sizeof(float);
}
DECLARE_DEVICE_KERNEL(sampling_part_kernel, SamplingPartArgs);

/// Draws one of the candidates that the parts left: see sampling.h. One block.
struct SamplingArgs {
  const uint32_t* keys;  ///< [candidates]
  const int32_t* ids;
  uint64_t* state;  ///< of the generator
  int32_t* id;
  int candidates, keep;
  float temperature, top_p, min_p;
  bool sorted;  ///< candidates are drawn by falling logit, otherwise by rising id
};
constexpr size_t sampling_shared(int candidates) {
  return static_cast<size_t>(candidates) * sizeof(uint32_t) + 2 * kWarp * sizeof(float) +
         2 * kSamplingMost * (sizeof(uint32_t) + sizeof(int32_t)) + kSamplingMost * sizeof(double) + 32;
}
DECLARE_DEVICE_KERNEL(sampling_kernel, SamplingArgs);

}  // namespace halftone::cuda
