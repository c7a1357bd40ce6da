#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace halftone {

/// At most `most` of the items, each as likely as any other, in their old order. The same seed draws the
/// same ones on every machine.
template <class T>
std::vector<T> draw_samples(std::vector<T> items, int most, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<T> drawn;
  size_t wanted = std::min(items.size(), static_cast<size_t>(std::max(most, 0)));
  for (size_t i = 0; i < items.size() && wanted > 0; ++i)
    if (random() % (items.size() - i) < wanted) {
      drawn.push_back(std::move(items[i]));
      --wanted;
    }
  return drawn;
}

}  // namespace halftone
