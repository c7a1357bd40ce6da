#include "runtime/memory_plan.h"

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <numeric>
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

/// The lowest offset that is free, by looking at all that are placed.
std::vector<size_t> placed_one_by_one(const std::vector<Lifetime>& buffers) {
  std::vector<size_t> order(buffers.size()), offsets(buffers.size()), placed;
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](size_t i) { return buffers[i].bytes; });
  const auto size = [&](size_t i) { return (buffers[i].bytes + 63) / 64 * 64; };
  for (size_t i : order) {
    std::ranges::sort(placed, std::less(), [&](size_t other) { return offsets[other]; });
    for (size_t other : placed) {
      if (buffers[other].last < buffers[i].first || buffers[i].last < buffers[other].first) continue;
      if (offsets[i] + size(i) <= offsets[other]) break;
      offsets[i] = std::max(offsets[i], offsets[other] + size(other));
    }
    placed.push_back(i);
  }
  return offsets;
}

TEST(MemoryPlan, EachBufferHasTheLowestOffsetThatIsFree) {
  std::mt19937 random(11);
  for (int round = 0; round < 100; ++round) {
    const int steps = 1 + static_cast<int>(random() % 70);
    std::vector<Lifetime> buffers(80);
    for (Lifetime& buffer : buffers) {
      buffer.bytes = random() % (round % 2 == 0 ? 5000 : 200);
      buffer.first = static_cast<int>(random() % static_cast<unsigned>(steps));
      buffer.last = buffer.first + static_cast<int>(random() % static_cast<unsigned>(steps - buffer.first));
    }
    EXPECT_EQ(plan_memory(buffers).offsets, placed_one_by_one(buffers)) << "round " << round;
  }
}

TEST(MemoryPlan, ManyBuffersAliveTogether) {
  constexpr int kCount = 100'000;
  std::vector<Lifetime> fan, chain;
  for (int i = 0; i < kCount; ++i) {
    fan.push_back({static_cast<size_t>(64 * (1 + i % 7)), i, kCount + i});
    chain.push_back({64, i, i + 1});
  }
  EXPECT_LE(plan_memory(fan).arena_bytes, size_t{64 * 4} * kCount);
  EXPECT_EQ(plan_memory(chain).arena_bytes, 128u);
}

}  // namespace
}  // namespace halftone
