#include "base/thread_pool.h"

#include <atomic>
#include <gtest/gtest.h>
#include <numeric>
#include <vector>

namespace halftone {
namespace {

TEST(ThreadPool, EachIndexRunsOnce) {
  for (int size : {1, 2, 4}) {
    ThreadPool threads(size);
    EXPECT_EQ(threads.size(), size);
    for (int64_t count : {0, 1, 7, 1000})
      for (int64_t grain : {1, 3, 5000}) {
        std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
        threads.parallel_for(count, grain, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
        });
        for (const auto& times : seen) EXPECT_EQ(times, 1);
      }
  }
}

TEST(ThreadPool, LoopsFollowOneAnotherQuickly) {
  ThreadPool threads(3);
  std::atomic<int64_t> sum{0};
  for (int round = 0; round < 5000; ++round)
    threads.parallel_for(10, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
  EXPECT_EQ(sum, 50000);
}

TEST(ThreadPool, LoopsInQuickSuccessionDoNotMix) {
  // More threads than cores, so that some come late or not at all.
  ThreadPool pool(9);
  for (int64_t loop = 0; loop < 20000; ++loop) {
    const int64_t count = 2 + loop % 7;
    std::vector<std::atomic<int64_t>> seen(static_cast<size_t>(count));
    pool.parallel_for(count, 1, [&, loop](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) seen[static_cast<size_t>(i)] += loop + 1;
    });
    for (const auto& value : seen) ASSERT_EQ(value.load(), loop + 1);
  }
}

}  // namespace
}  // namespace halftone
