#include "backend/cuda/sampling/sampling.h"

#include <algorithm>
#include <cassert>

#include "backend/cuda/sampling/sampling_kernels.h"
#include "base/checked.h"
#include "base/error.h"

namespace halftone::cuda {
namespace {

constexpr int kLeastPart = 2048;
constexpr int64_t kMostVocabulary = int64_t{1} << 21;

int kept(const SamplingOptions& options, int64_t vocabulary) {
  if (options.temperature == 0) return 1;
  const int64_t k = options.top_k > 0 ? options.top_k : vocabulary;
  return static_cast<int>(std::min<int64_t>(k, vocabulary));
}

}  // namespace

Refusal DeviceSampler::refusal(const SamplingOptions& options, int64_t vocabulary) {
  if (vocabulary < 1 || vocabulary > kMostVocabulary) return fmt::format("a vocabulary of {}", vocabulary);
  if (const int k = kept(options, vocabulary); k > kSamplingMost)
    return fmt::format("a draw among {} tokens; up to {} are there", k, kSamplingMost);
  return {};
}

DeviceSampler::DeviceSampler(Device& device, const SamplingOptions& options, int64_t vocabulary)
    : device_(device),
      options_(options),
      vocabulary_(static_cast<int>(vocabulary)),
      keep_(kept(options, vocabulary)),
      parts_(std::clamp(vocabulary_ / kLeastPart, 1, kSamplingParts)),
      part_(ceil_div(vocabulary_, parts_)) {
  assert(refusal(options, vocabulary).empty());
  parts_ = ceil_div(vocabulary_, part_);
  state_ = device.allocate(sizeof(options.seed), "a sampler's state");
  device.upload(state_.get(), reinterpret_cast<const std::byte*>(&options.seed), sizeof(options.seed));
  const size_t candidates = static_cast<size_t>(parts_) * static_cast<size_t>(keep_);
  keys_ = device.allocate(candidates * sizeof(uint32_t), "a sampler's candidates");
  ids_ = device.allocate(candidates * sizeof(int32_t), "a sampler's candidates");
  id_ = device.allocate(sizeof(int32_t), "a sampler's choice");
}

/// What the device holds already is not sent again: of a text in the making, one id a draw.
void DeviceSampler::send(std::span<const int32_t> history) {
  const auto differs = std::mismatch(sent_.begin(), sent_.end(), history.begin(), history.end()).first;
  auto known = static_cast<size_t>(differs - sent_.begin());
  if (history.size() > capacity_ || !history_) {
    capacity_ = std::max<size_t>(2 * history.size(), 1024);
    history_ = device_.allocate((1 + capacity_) * sizeof(int32_t), "a sampler's history");
    known = 0;
  }
  const auto count = static_cast<int32_t>(history.size());
  device_.upload(history_.get(), reinterpret_cast<const std::byte*>(&count), sizeof(count));
  const auto fresh = std::as_bytes(history.subspan(known));
  if (!fresh.empty())
    device_.upload(history_.get() + (1 + known) * sizeof(int32_t), fresh.data(), fresh.size());
  sent_.assign(history.begin(), history.end());
}

int32_t DeviceSampler::draw(const float* logits, std::span<const int32_t> history) {
  const bool penalized = options_.repeat_penalty != 1;
  if (penalized) send(history);
  const auto* count = penalized ? reinterpret_cast<const int32_t*>(history_.get()) : nullptr;
  auto* keys = reinterpret_cast<uint32_t*>(keys_.get());
  auto* ids = reinterpret_cast<int32_t*>(ids_.get());
  device_.launch(sampling_part_kernel, {{parts_}, kSamplingThreads, sampling_part_shared(part_)},
                 {logits, count ? count + 1 : nullptr, count, keys, ids, vocabulary_, part_, keep_,
                  options_.repeat_penalty});
  const int candidates = parts_ * keep_;
  device_.launch(sampling_kernel, {{1}, kSamplingThreads, sampling_shared(candidates)},
                 {keys, ids, reinterpret_cast<uint64_t*>(state_.get()), reinterpret_cast<int32_t*>(id_.get()),
                  candidates, keep_, options_.temperature, options_.top_p, options_.min_p,
                  options_.top_k > 0 && options_.top_k < vocabulary_});
  int32_t id = 0;
  device_.download(reinterpret_cast<std::byte*>(&id), id_.get(), sizeof(id));
  if (id == kSampledNan)
    throw InputError("the model's logits hold NaN: its weights or its input are not sound");
  if (id == kSampledNothing)
    throw InputError("the model's logits are all minus infinity: its weights are not sound");
  return id;
}

}  // namespace halftone::cuda
