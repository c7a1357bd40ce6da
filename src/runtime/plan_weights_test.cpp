#include "runtime/plan_weights.h"

#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "base/thread_pool.h"

namespace halftone {
namespace {

/// Packs a part of a mapped file as it is.
struct Part : PackedLater {
  std::span<const std::byte> from;
  int times = 0;

  size_t bytes() const override { return from.size(); }
  std::span<const std::byte> source() const override { return from; }
  std::shared_ptr<const std::byte> pack(ThreadPool&) override {
    ++times;
    const std::shared_ptr<std::byte> own(new std::byte[from.size()], std::default_delete<std::byte[]>());
    std::memcpy(own.get(), from.data(), from.size());
    return own;
  }
};

class PlanWeightsTest : public testing::Test {
 protected:
  PlanWeightsTest() {
    folder_ = fs::temp_directory_path() / fmt::format("halftone-plan-weights-{}", ::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ofstream(folder_ / "model", std::ios::binary) << "some weights, and more of them";
    model_ = MappedFile::open(folder_ / "model");
    parts_[0].from = model_->bytes().first(12);
    parts_[1].from = model_->bytes().subspan(14);
  }
  ~PlanWeightsTest() override { fs::remove_all(folder_); }

  std::shared_ptr<const PlanCache> cache() { return PlanCache::open(folder_ / "cache"); }
  std::unique_ptr<PlanCache::Constants> constants() {
    return cache()->constants("plan", "a model", threads_);
  }
  /// A constant that is packed at once, between two that are left.
  void prepare(PlanWeights& weights) {
    EXPECT_EQ(weights.find(12), nullptr);
    EXPECT_TRUE(weights.leave(parts_[0]));
    EXPECT_EQ(weights.find(4), nullptr);
    weights.keep(std::shared_ptr<const std::byte>(model_, model_->bytes().data()), 4);
    EXPECT_EQ(weights.find(16), nullptr);
    EXPECT_TRUE(weights.leave(parts_[1]));
  }
  void expect_found() {
    PlanWeights weights(constants(), true);
    size_t at = 0;
    for (const std::string_view part : {"some weights", "some", "and more of them"}) {
      const auto found = weights.find(part.size());
      ASSERT_NE(found, nullptr) << at++;
      EXPECT_EQ(std::memcmp(found.get(), part.data(), part.size()), 0);
    }
    weights.finish();
    EXPECT_TRUE(weights.from_cache());
    weights.pack_more(1e9, threads_);
  }

  ThreadPool threads_{2};
  fs::path folder_;
  std::shared_ptr<const MappedFile> model_;
  Part parts_[2];
};

TEST_F(PlanWeightsTest, OnlyWhatAFileHoldsMayWait) {
  PlanWeights waiting(nullptr, true), at_once(nullptr, false);
  EXPECT_TRUE(waiting.leave(parts_[0]));
  EXPECT_FALSE(at_once.leave(parts_[0]));
  const std::byte own[4] = {};
  Part in_memory;
  in_memory.from = own;
  EXPECT_FALSE(waiting.leave(in_memory));
}

TEST_F(PlanWeightsTest, ArePackedOneByOneAndThenKept) {
  {
    PlanWeights weights(constants(), true);
    prepare(weights);
    weights.finish();
    EXPECT_EQ(parts_[0].times, 0);
    weights.pack_more(0, threads_);
    EXPECT_EQ(parts_[0].times, 1);
    EXPECT_EQ(parts_[1].times, 0);
    EXPECT_TRUE(cache()->entries().empty());
    weights.pack_more(0, threads_);
    weights.pack_more(1e9, threads_);
    EXPECT_EQ(parts_[1].times, 1);
    EXPECT_FALSE(weights.from_cache());
  }
  EXPECT_EQ(parts_[0].times, 1);
  expect_found();
}

TEST_F(PlanWeightsTest, WhatIsLeftAtTheEndIsPackedForTheCacheAlone) {
  {
    PlanWeights weights(constants(), true);
    prepare(weights);
    weights.finish();
  }
  EXPECT_EQ(parts_[1].times, 1);
  expect_found();
  {
    PlanWeights weights(nullptr, true);
    prepare(weights);
    weights.finish();
  }
  EXPECT_EQ(parts_[1].times, 1);
}

TEST_F(PlanWeightsTest, APlanThatWasNotFinishedIsNotKept) {
  {
    PlanWeights weights(constants(), true);
    prepare(weights);
  }
  EXPECT_EQ(parts_[1].times, 0);
  EXPECT_TRUE(cache()->entries().empty());
}

}  // namespace
}  // namespace halftone
