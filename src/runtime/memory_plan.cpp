#include "runtime/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "base/checked.h"

namespace halftone {

MemoryPlan plan_memory(std::span<const Lifetime> buffers) {
  constexpr size_t kAlignment = 64;
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });

  MemoryPlan plan{std::vector<size_t>(buffers.size(), 0), 0};
  std::vector<size_t> placed;  // sorted by offset
  for (size_t buffer : order) {
    const Lifetime& mine = buffers[buffer];
    const size_t size = round_up(mine.bytes, kAlignment);
    size_t offset = 0;
    for (size_t other : placed) {
      const Lifetime& theirs = buffers[other];
      if (theirs.last < mine.first || mine.last < theirs.first) continue;
      if (offset + size <= plan.offsets[other]) break;
      offset = std::max(offset, plan.offsets[other] + round_up(theirs.bytes, kAlignment));
    }
    plan.offsets[buffer] = offset;
    plan.arena_bytes = std::max(plan.arena_bytes, offset + size);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), buffer,
                                   [&](size_t a, size_t b) { return plan.offsets[a] < plan.offsets[b]; }),
                  buffer);
  }
  return plan;
}

}  // namespace halftone
