#include "base/core_share.h"

#include <gtest/gtest.h>
#include <thread>

namespace halftone {
namespace {

cpu_set_t allowed_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  sched_getaffinity(0, sizeof mask, &mask);
  return mask;
}

/// In a thread of its own, since cores that are allowed belong to the thread.
template <class Body>
void in_a_thread(Body body) {
  std::thread(body).join();
}

TEST(CoreShare, LossesOneAfterAnotherMakeBursts) {
  in_a_thread([] {
    const cpu_set_t before = allowed_cores();
    CoreShare core;
    EXPECT_FALSE(core.spent());
    for (int i = 0; i < 1000 && !core.spent(); ++i) core.count_loss();
    ASSERT_TRUE(core.spent());
    int rests = 0;
    for (; core.spent() && rests < 1000; ++rests) {
      const auto begin = CoreShare::Clock::now();
      core.rest(sched_getcpu());
      EXPECT_GE(CoreShare::Clock::now() - begin, std::chrono::milliseconds(1));
      for (int i = 0; i < 10 && !core.spent(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_GT(rests, 1);
    EXPECT_LT(rests, 1000);  // it ends by itself
    const cpu_set_t after = allowed_cores();
    EXPECT_TRUE(CPU_EQUAL(&before, &after));
  });
}

TEST(CoreShare, SleepOfItsOwnWillIsNoLoss) {
  in_a_thread([] {
    CoreShare core;
    core.begin();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_TRUE(core.lost());
    core.begin();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    core.slept();
    core.begin();
    EXPECT_FALSE(core.lost());
  });
}

}  // namespace
}  // namespace halftone
