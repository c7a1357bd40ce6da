#pragma once

#include <array>

#include "base/thread_pool.h"
#include "core/shape.h"

namespace halftone::cpu {

/// A copy over axes, outermost first, two for each of a shape at most: what is written is dense, what is read
/// has these steps (in elements; 0: the same again, negative: backwards). Neighbours that lie together are
/// one.
struct Turn {
  int rank = 0;
  std::array<int64_t, 2 * Shape::kMaxRank> size{}, step{};

  void add(int64_t axis_size, int64_t axis_step);
  void copy(const std::byte* from, std::byte* to, size_t element, ThreadPool& threads) const;
};

}  // namespace halftone::cpu
