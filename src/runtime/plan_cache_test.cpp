#include "runtime/plan_cache.h"

#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/thread_pool.h"

namespace halftone {
namespace {

std::string contents(const fs::path& path) {
  return read_text(path);
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// A cache in a fresh folder, and a mapped file for its plans to stand on.
class PlanCacheTest : public testing::Test {
 protected:
  PlanCacheTest() {
    folder_ = fs::temp_directory_path() / fmt::format("halftone-plan-cache-{}", ::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    set_model("weights");
  }
  ~PlanCacheTest() override { fs::remove_all(folder_); }

  void set_model(const std::string& text) {
    model_.reset();
    write(folder_ / "model", text);
    model_ = MappedFile::open(folder_ / "model");
  }
  std::shared_ptr<const PlanCache> cache(uint64_t limit = PlanCache::kUsualLimit) {
    return PlanCache::open(folder_ / "cache", limit, [this](const std::string& what) { warnings_ += what; });
  }

  /// Compiles a plan of two constants as kernels do it; whether both were found.
  bool compile(const std::string& identity = "plan", const std::string& text = "0123456789") {
    const auto store = cache()->constants(identity, "a model", threads_);
    int packed = 0;
    for (const std::string& constant : {text, std::string(100000, 'x')}) {
      if (const auto found = store->find(constant.size())) {
        EXPECT_EQ(std::memcmp(found.get(), constant.data(), constant.size()), 0);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(found.get()) % 64, 0u);
        continue;
      }
      const std::shared_ptr<std::byte> own(new std::byte[constant.size()],
                                           std::default_delete<std::byte[]>());
      std::memcpy(own.get(), constant.data(), constant.size());
      store->keep(own, constant.size());
      ++packed;
    }
    store->finish();
    EXPECT_EQ(store->found(), packed == 0);
    return packed == 0;
  }
  fs::path plan_file() { return cache()->entries().at(0).path; }

  ThreadPool threads_{2};
  fs::path folder_;
  std::shared_ptr<const MappedFile> model_;
  std::string warnings_;
};

TEST_F(PlanCacheTest, FindsWhatWasKept) {
  EXPECT_FALSE(compile());
  EXPECT_TRUE(compile());
  EXPECT_TRUE(compile());
  const auto entries = cache()->entries();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].model, "a model");
  EXPECT_GT(entries[0].bytes, 100000u);
  EXPECT_EQ(warnings_, "");
}

TEST_F(PlanCacheTest, LongConstantsAreFoundAsTheyWere) {
  constexpr size_t kHugePage = size_t{2} << 20;
  std::vector<std::vector<std::byte>> constants;
  for (size_t bytes :
       {size_t{10}, 3 * kHugePage + 5, kHugePage, kHugePage - 4096, size_t{1}, 5 * kHugePage}) {
    std::vector<std::byte>& constant = constants.emplace_back(bytes);
    for (size_t i = 0; i < bytes; ++i) constant[i] = static_cast<std::byte>(i * 31 >> 4 ^ constants.size());
  }
  {
    const auto store = cache()->constants("long", "a model", threads_);
    for (const auto& constant : constants) {
      EXPECT_EQ(store->find(constant.size()), nullptr);
      store->keep(std::shared_ptr<const std::byte>(constant.data(), [](const std::byte*) {}),
                  constant.size());
    }
    store->finish(2);
  }
  const auto store = cache()->constants("long", "a model", threads_);
  for (const auto& constant : constants) {
    const auto found = store->find(constant.size());
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(std::memcmp(found.get(), constant.data(), constant.size()), 0) << constant.size();
  }
  EXPECT_EQ(warnings_, "");
}

TEST_F(PlanCacheTest, AnotherPlanOrOtherFilesArePackedAnew) {
  EXPECT_FALSE(compile());
  EXPECT_FALSE(compile("another plan"));
  set_model("Weights");
  EXPECT_FALSE(compile());
  set_model("weights");
  EXPECT_TRUE(compile()) << "the same contents under another time";
  model_.reset();
  EXPECT_EQ(cache()->constants("plan", "", threads_), nullptr) << "no file is mapped";
}

TEST_F(PlanCacheTest, NothingIsKeptOfAFileThatChangesMeanwhile) {
  const auto pack = [&](const auto& meanwhile) {
    const auto store = cache()->constants("plan", "", threads_);
    EXPECT_EQ(store->find(3), nullptr);
    store->keep(std::shared_ptr<const std::byte>(new std::byte[3]{}, std::default_delete<std::byte[]>()), 3);
    meanwhile();
    store->finish();
  };
  pack([&] { write(folder_ / "model", "other weights"); });
  EXPECT_TRUE(cache()->entries().empty());
  pack([&] { fs::remove(folder_ / "model"); });
  EXPECT_TRUE(cache()->entries().empty());
  set_model("weights");
  pack([] {});
  EXPECT_EQ(cache()->entries().size(), 1u);
}

TEST_F(PlanCacheTest, ContentsOfSettledFilesAreRemembered) {
  const auto before = fs::file_time_type::clock::now() - std::chrono::hours(1);
  EXPECT_FALSE(compile());
  EXPECT_FALSE(fs::exists(folder_ / "cache" / "contents")) << "it changed a moment ago";
  fs::last_write_time(folder_ / "model", before);
  // The time of the change itself cannot be set; what is remembered is tried by hand.
  write(folder_ / "cache" / "contents", "not numbers");
  EXPECT_TRUE(compile());
  write(folder_ / "cache" / "contents", "1 2 3 4 5 6 7\n8 9");
  EXPECT_TRUE(compile());
}

TEST_F(PlanCacheTest, WhatWasChangedIsNotUsed) {
  EXPECT_FALSE(compile());
  const fs::path path = plan_file();
  const std::string sound = contents(path);
  const size_t header = sizeof(PlanFileHeader);
  for (size_t at : {size_t{0}, size_t{8}, size_t{24}, size_t{32}, size_t{40}, size_t{48}, header, header + 7,
                    header + 15, size_t{4096}, sound.size() - 1}) {
    std::string changed = sound;
    changed[at] = static_cast<char>(changed[at] ^ 0x40);
    warnings_.clear();
    write(path, changed);
    EXPECT_FALSE(compile()) << at;
    EXPECT_NE(warnings_.find("packed anew"), std::string::npos) << at;
    EXPECT_EQ(contents(path), sound) << "written again";
  }
  for (size_t length : {size_t{0}, size_t{10}, header, header + 8, sound.size() - 1}) {
    write(path, sound.substr(0, length));
    EXPECT_FALSE(compile()) << length;
  }
  write(path, sound + "x");
  EXPECT_FALSE(compile());
}

// Numbers that overflow or point outside, under a digest that is right: the secret is known to the forger.
TEST_F(PlanCacheTest, AHostileTableIsRefused) {
  EXPECT_FALSE(compile());
  const fs::path path = plan_file();
  const std::string sound = contents(path);
  PlanFileHeader header;
  std::memcpy(&header, sound.data(), sizeof(header));
  const KeyedHash hash = cache()->hash();
  const auto forged = [&](uint64_t blocks, uint64_t name_bytes, uint64_t offset, uint64_t bytes) {
    std::string file = sound;
    PlanFileHeader changed = header;
    changed.blocks = blocks;
    changed.name_bytes = name_bytes;
    changed.digest = {};
    const PlanFileBlock block{offset, bytes, {}};
    std::memcpy(file.data() + sizeof(header) + header.name_bytes, &block, sizeof(block));
    std::memcpy(file.data(), &changed, sizeof(changed));
    const size_t front =
        std::min(sizeof(header) + header.name_bytes + 2 * sizeof(PlanFileBlock), file.size());
    changed.digest = hash(std::string_view(file).substr(0, front));
    std::memcpy(file.data(), &changed, sizeof(changed));
    write(path, file);
    warnings_.clear();
    EXPECT_FALSE(compile());
    return warnings_;
  };
  const uint64_t huge = ~uint64_t{0}, name = header.name_bytes;
  const auto refuses = [&](const std::string& warning, const char* why) {
    EXPECT_NE(warning.find(why), std::string::npos) << why << ": " << warning;
  };
  refuses(forged(huge, name, 4096, 10), "beyond its end");
  refuses(forged(huge / 32 + 2, name, 4096, 10), "beyond its end");
  refuses(forged(2, huge, 4096, 10), "beyond its end");
  refuses(forged(2, name, 4096, huge), "where it can");
  refuses(forged(2, name, huge & ~uint64_t{4095}, 10), "where it can");
  refuses(forged(2, name, 0, 10), "where it can");
  refuses(forged(2, name, 4097, 10), "where it can");
  refuses(forged(2, name, 4096, 11), "was changed");
}

TEST_F(PlanCacheTest, OnlyWhatThisUserAloneCanWriteIsUsed) {
  EXPECT_FALSE(compile());
  ::chmod(plan_file().c_str(), 0666);
  EXPECT_FALSE(compile());
  EXPECT_NE(warnings_.find("this user alone"), std::string::npos);
  EXPECT_TRUE(compile());
  ::chmod((folder_ / "cache").c_str(), 0777);
  EXPECT_THROW(cache(), ResourceError);
  ::chmod((folder_ / "cache").c_str(), 0700);
  const fs::path path = plan_file();
  fs::rename(path, folder_ / "elsewhere");
  fs::create_symlink(folder_ / "elsewhere", path);
  EXPECT_FALSE(compile());
  fs::create_directories(folder_ / "other");
  write(folder_ / "other" / "file", "");
  EXPECT_THROW(PlanCache::open(folder_ / "other" / "file"), ResourceError);
}

TEST_F(PlanCacheTest, TheFilesUsedLastStay) {
  for (const char* identity : {"one", "two", "three"}) EXPECT_FALSE(compile(identity));
  const uint64_t each = cache()->entries().at(0).bytes;
  auto old = fs::file_time_type::clock::now() - std::chrono::hours(3);
  for (const auto& entry : cache()->entries()) fs::last_write_time(entry.path, old += std::chrono::hours(1));
  EXPECT_TRUE(compile("one"));  // used now
  {
    const auto store = cache(3 * each)->constants("four", "", threads_);
    const std::shared_ptr<std::byte> own(new std::byte[each]{}, std::default_delete<std::byte[]>());
    store->keep(own, each / 2);
    store->finish();
  }
  EXPECT_EQ(cache()->entries().size(), 3u) << "one of the old made room";
  EXPECT_TRUE(compile("one"));
  EXPECT_GT(cache()->clear(), 2 * each);
  EXPECT_TRUE(cache()->entries().empty());
  EXPECT_FALSE(compile("one"));
}

TEST_F(PlanCacheTest, LookingMakesNothingAndClearingTakesNothingElse) {
  EXPECT_EQ(PlanCache::look(folder_ / "cache"), nullptr);
  EXPECT_FALSE(fs::exists(folder_ / "cache"));
  const fs::path other = folder_ / "other";
  fs::create_directories(other);
  const char* const theirs[] = {"contents", "holiday.plan", "0123.plan"};
  for (const char* name : theirs) write(other / name, "x");
  EXPECT_TRUE(PlanCache::look(other)->entries().empty());
  EXPECT_EQ(PlanCache::look(other)->clear(), 0u);
  for (const char* name : theirs) EXPECT_TRUE(fs::exists(other / name)) << name;
  EXPECT_FALSE(fs::exists(other / "secret"));
  EXPECT_FALSE(compile());
  EXPECT_EQ(PlanCache::look(folder_ / "cache")->entries().size(), 1u);
  EXPECT_GT(PlanCache::look(folder_ / "cache")->clear(), 100000u);
  EXPECT_TRUE(cache()->entries().empty());
}

// Whoever runs a model must be able to go on without a cache: all that is wrong with one is a ResourceError.
TEST_F(PlanCacheTest, ASecretThatCannotBeReadIsAResourceError) {
  fs::create_directories(folder_ / "cache" / "secret");
  ::chmod((folder_ / "cache").c_str(), 0700);
  EXPECT_THROW(cache(), ResourceError);
}

TEST_F(PlanCacheTest, APlanIsFoundWhereTheMemoCannotBeUsed) {
  EXPECT_FALSE(compile());
  fs::create_directories(folder_ / "cache" / "contents" / "x");
  EXPECT_TRUE(compile());
  EXPECT_EQ(warnings_, "");
  fs::remove_all(folder_ / "cache" / "contents");
  write(folder_ / "cache" / "contents", std::string(size_t{2} << 20, '1'));
  EXPECT_TRUE(compile());
  EXPECT_EQ(warnings_, "");
}

TEST_F(PlanCacheTest, WhatIsTooLargeIsNotKeptAndSaidSo) {
  {
    const auto store = cache(10)->constants("plan", "", threads_);
    store->keep(std::shared_ptr<const std::byte>(new std::byte[11]{}, std::default_delete<std::byte[]>()),
                11);
    store->finish();
  }
  EXPECT_NE(warnings_.find("11 bytes are more than its limit of 10"), std::string::npos) << warnings_;
  EXPECT_TRUE(cache()->entries().empty());
}

TEST_F(PlanCacheTest, WhatNobodyIsWritingAnyMoreGoesAway) {
  const auto kept = cache();
  const fs::path left = folder_ / "cache" / ".plan-being-written.Left01";
  const fs::path living = folder_ / "cache" / ".plan-being-written.Living";
  write(left, "x");
  write(living, "x");
  const int file = ::open(living.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(file, LOCK_EX), 0);
  EXPECT_TRUE(cache()->entries().empty());
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(living));
  ::close(file);
}

}  // namespace
}  // namespace halftone
