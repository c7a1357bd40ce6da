#include "backend/cuda/sampling/sampling.h"

#include <algorithm>
#include <cassert>

#include "backend/cuda/sampling/sampling_kernels.h"
#include "base/checked.h"

namespace halftone::cuda {
namespace {

constexpr int kLeastPart = 2048;
constexpr int64_t kMostVocabulary = int64_t{1} << 21;

int kept(const SamplingSettings& settings, int64_t vocabulary) {
  if (settings.temperature == 0) return 1;
  const int64_t k = settings.top_k > 0 ? settings.top_k : vocabulary;
  return static_cast<int>(std::min<int64_t>(k, vocabulary));
}

}  // namespace

Refusal DeviceSampler::refusal(const SamplingSettings& settings, int64_t vocabulary) {
  if (vocabulary < 1 || vocabulary > kMostVocabulary) return fmt::format("a vocabulary of {}", vocabulary);
  if (const int k = kept(settings, vocabulary); k > kSamplingMost)
    return fmt::format("a draw among {} tokens; up to {} are there", k, kSamplingMost);
  return {};
}

DeviceSampler::DeviceSampler(Device& device, const SamplingSettings& settings, int64_t vocabulary,
                             uint64_t seed)
    : device_(device),
      settings_(settings),
      vocabulary_(static_cast<int>(vocabulary)),
      keep_(kept(settings, vocabulary)),
      parts_(std::clamp(vocabulary_ / kLeastPart, 1, kSamplingParts)),
      part_(ceil_div(vocabulary_, parts_)) {
  assert(refusal(settings, vocabulary).empty());
  parts_ = ceil_div(vocabulary_, part_);
  state_ = device.allocate(sizeof(seed), "a sampler's state");
  device.upload(state_.get(), reinterpret_cast<const std::byte*>(&seed), sizeof(seed));
  const size_t candidates = static_cast<size_t>(parts_) * static_cast<size_t>(keep_);
  keys_ = device.allocate(candidates * sizeof(uint32_t), "a sampler's candidates");
  ids_ = device.allocate(candidates * sizeof(int32_t), "a sampler's candidates");
}

void DeviceSampler::launch(const float* logits, int32_t* id, const int32_t* history,
                           const int32_t* history_count) const {
  auto* keys = reinterpret_cast<uint32_t*>(keys_.get());
  auto* ids = reinterpret_cast<int32_t*>(ids_.get());
  device_.launch(sampling_part_kernel, {{parts_}, kSamplingThreads, sampling_part_shared(part_)},
                 {logits, settings_.repeat_penalty == 1 ? nullptr : history, history_count, keys, ids,
                  vocabulary_, part_, keep_, settings_.repeat_penalty});
  const int candidates = parts_ * keep_;
  device_.launch(
      sampling_kernel, {{1}, kSamplingThreads, sampling_shared(candidates)},
      {keys, ids, reinterpret_cast<uint64_t*>(state_.get()), id, candidates, keep_, settings_.temperature,
       settings_.top_p, settings_.min_p, settings_.top_k > 0 && settings_.top_k < vocabulary_});
}

}  // namespace halftone::cuda
