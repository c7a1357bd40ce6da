#include "backend/cpu/packed_memory.h"

#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>
#include <utility>

namespace halftone::cpu {
namespace {

constexpr size_t kLong = 1'500'000;  // no multiple of a cache line

bool all_are(const PackedMemory& memory, int byte) {
  const std::byte* data = std::as_const(memory).data();
  for (size_t i = 0; i < memory.size(); ++i)
    if (data[i] != static_cast<std::byte>(byte)) return false;
  return true;
}

TEST(PackedMemory, ConstantsLieOneBehindTheOther) {
  PackedMemory first(kLong), second(kLong);
  EXPECT_EQ(second.data() - first.data(), static_cast<ptrdiff_t>((kLong + 63) / 64 * 64));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second.data()) % 64, 0u);
}

TEST(PackedMemory, OthersKeepTheirBytes) {
  PackedMemory before(kLong), after;
  std::memset(before.data(), 1, kLong);
  {
    PackedMemory between(8 * kLong);
    after = PackedMemory(kLong);
    std::memset(between.data(), 2, between.size());
    std::memset(after.data(), 3, kLong);
  }
  EXPECT_TRUE(all_are(before, 1));
  EXPECT_TRUE(all_are(after, 3));
}

TEST(PackedMemory, LongerThanARun) {
  constexpr size_t kBytes = size_t{300} << 20;
  PackedMemory memory(kBytes), next(kLong);
  memory.data()[0] = memory.data()[kBytes - 1] = std::byte{4};
  std::memset(next.data(), 5, kLong);
  EXPECT_EQ(memory.data()[0], std::byte{4});
  EXPECT_EQ(memory.data()[kBytes - 1], std::byte{4});
  EXPECT_TRUE(all_are(next, 5));
}

TEST(PackedMemory, ShortOnesAndNone) {
  PackedMemory none(0), one(1);
  one.data()[0] = std::byte{6};
  EXPECT_TRUE(all_are(one, 6));
  EXPECT_EQ(none.size(), 0u);
}

}  // namespace
}  // namespace halftone::cpu
