#include "llm/kv_blocks.h"

#include <gtest/gtest.h>
#include <set>

#include "base/error.h"

namespace halftone {
namespace {

TEST(KvBlocks, HandsOutEachBlockOnce) {
  KvBlocks pool(5, 32);
  std::set<int32_t> taken;
  for (int i = 0; i < 5; ++i) taken.insert(pool.take());
  EXPECT_EQ(taken, (std::set<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(pool.free(), 0);
  EXPECT_THROW(pool.take(), ResourceError);
}

TEST(BlockTable, HoldsJustWhatItsTokensNeed) {
  KvBlocks pool(4, 32);
  BlockTable table(pool);
  table.resize(0);
  EXPECT_EQ(table.blocks().size(), 0u);
  table.resize(1);
  EXPECT_EQ(table.blocks().size(), 1u);
  table.resize(32);
  EXPECT_EQ(table.blocks().size(), 1u);
  table.resize(33);
  EXPECT_EQ(table.blocks().size(), 2u);
  const int32_t first = table.blocks()[0];
  table.resize(5);
  EXPECT_EQ(table.blocks().size(), 1u);
  EXPECT_EQ(table.blocks()[0], first);
  EXPECT_EQ(pool.free(), 3);
}

TEST(BlockTable, KeepsWhatItHasWhenTheCacheIsFull) {
  KvBlocks pool(4, 32);
  BlockTable one(pool), two(pool);
  one.resize(96);
  EXPECT_THROW(two.resize(64), ResourceError);
  EXPECT_EQ(two.blocks().size(), 0u);
  EXPECT_EQ(pool.free(), 1);
  one.resize(0);
  two.resize(64);
  EXPECT_EQ(two.blocks().size(), 2u);
}

TEST(BlockTable, GivesItsBlocksBackWhenItGoes) {
  KvBlocks pool(4, 32);
  {
    BlockTable table(pool);
    table.resize(100);
    BlockTable moved(std::move(table));
    EXPECT_EQ(pool.free(), 0);
  }
  EXPECT_EQ(pool.free(), 4);
}

}  // namespace
}  // namespace halftone
