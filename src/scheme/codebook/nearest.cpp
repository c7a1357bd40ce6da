#include "scheme/codebook/nearest.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace halftone {
namespace {

constexpr size_t kSmallCodebook = 16;
constexpr size_t kBlock = 64;

/// Counts the thresholds below each value: without branches, so that the compiler vectorises it.
void count_thresholds(std::span<const float> values, float scale, std::span<const float> thresholds,
                      std::span<uint8_t> codes) {
  std::array<float, kBlock> scaled{};
  std::array<int32_t, kBlock> counts;
  for (size_t begin = 0; begin < values.size(); begin += kBlock) {
    const size_t size = std::min(kBlock, values.size() - begin);
    for (size_t i = 0; i < size; ++i) scaled[i] = values[begin + i] / scale;
    counts.fill(0);
    for (float threshold : thresholds)
      for (size_t i = 0; i < kBlock; ++i) counts[i] += scaled[i] > threshold ? 1 : 0;
    for (size_t i = 0; i < size; ++i) codes[begin + i] = static_cast<uint8_t>(counts[i]);
  }
}

}  // namespace

void nearest_codes(std::span<const float> values, float scale, std::span<const float> codebook,
                   std::span<uint8_t> codes) {
  assert(!codebook.empty() && codebook.size() <= 256);
  std::array<float, 255> midpoints;
  for (size_t i = 0; i + 1 < codebook.size(); ++i) midpoints[i] = (codebook[i] + codebook[i + 1]) * 0.5f;
  const std::span<const float> thresholds(midpoints.data(), codebook.size() - 1);

  if (codebook.size() <= kSmallCodebook) return count_thresholds(values, scale, thresholds, codes);
  for (size_t i = 0; i < values.size(); ++i)
    codes[i] = static_cast<uint8_t>(
        std::lower_bound(thresholds.begin(), thresholds.end(), values[i] / scale) - thresholds.begin());
}

}  // namespace halftone
