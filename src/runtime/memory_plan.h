#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace halftone {

/// A buffer that lives from step `first` to step `last`, both counted.
struct Lifetime {
  size_t bytes;
  int first;
  int last;
};

/// Where each buffer starts, and the size of the arena that holds them all.
struct MemoryPlan {
  std::vector<size_t> offsets;
  size_t arena_bytes;
};

/// Places buffers so that two that live at one time never overlap: largest first, each at the lowest offset
/// that is free (greedy by size: Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net
/// Inference", 2020). 64-byte aligned. Time n log² n as long as few holes are left.
MemoryPlan plan_memory(std::span<const Lifetime> buffers);

}  // namespace halftone
