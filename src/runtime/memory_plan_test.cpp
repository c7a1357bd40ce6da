#include "runtime/memory_plan.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace halftone {
namespace {

TEST(MemoryPlan, AChainNeedsTwoBuffers) {
  const std::vector<Lifetime> chain{{1000, 0, 1}, {1000, 1, 2}, {1000, 2, 3}, {1000, 3, 4}};
  EXPECT_EQ(plan_memory(chain).arena_bytes, 2048u);
}

TEST(MemoryPlan, BuffersAliveTogetherNeverOverlap) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Lifetime> buffers(60);
    for (Lifetime& buffer : buffers) {
      buffer.bytes = random() % 5000;
      buffer.first = static_cast<int>(random() % 40);
      buffer.last = buffer.first + static_cast<int>(random() % 10);
    }
    const MemoryPlan plan = plan_memory(buffers);
    for (size_t a = 0; a < buffers.size(); ++a) {
      EXPECT_LE(plan.offsets[a] + buffers[a].bytes, plan.arena_bytes);
      for (size_t b = 0; b < a; ++b) {
        const bool together = buffers[a].first <= buffers[b].last && buffers[b].first <= buffers[a].last;
        const bool overlap = plan.offsets[a] < plan.offsets[b] + buffers[b].bytes &&
                             plan.offsets[b] < plan.offsets[a] + buffers[a].bytes;
        EXPECT_FALSE(together && overlap) << a << " and " << b;
      }
    }
  }
}

}  // namespace
}  // namespace halftone
