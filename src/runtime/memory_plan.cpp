#include "runtime/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "runtime/occupied_ranges.h"

namespace halftone {

MemoryPlan plan_memory(std::span<const Lifetime> buffers) {
  constexpr size_t kAlignment = 64;
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });

  int steps = 0;
  for (const Lifetime& buffer : buffers) steps = std::max(steps, buffer.last + 1);
  OccupiedOverTime occupied(static_cast<size_t>(steps));
  MemoryPlan plan{std::vector<size_t>(buffers.size(), 0), 0};
  for (size_t i : order) {
    const auto first = static_cast<size_t>(buffers[i].first), last = static_cast<size_t>(buffers[i].last);
    const size_t size = round_up(buffers[i].bytes, kAlignment);
    if (size == 0) break;
    const size_t offset = occupied.first_free(first, last, size);
    occupied.add(first, last, offset, offset + size);
    plan.offsets[i] = offset;
    plan.arena_bytes = std::max(plan.arena_bytes, offset + size);
  }
  return plan;
}

}  // namespace halftone
