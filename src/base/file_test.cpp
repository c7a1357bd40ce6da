#include "base/file.h"

#include <csignal>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/error.h"

namespace halftone {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("halftone-file-test-{}", ::getpid());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  size_t entries() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {})); }

  fs::path folder_;
};

TEST_F(FileTest, AFileAppearsWholeOrNotAtAll) {
  {
    AtomicFile file(folder_ / "a");
    file.write("half");
  }
  EXPECT_EQ(entries(), 0u);
  AtomicFile file(folder_ / "a");
  file.write("whole");
  EXPECT_FALSE(fs::exists(folder_ / "a"));
  file.commit();
  EXPECT_EQ(read_text(folder_ / "a"), "whole");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, AFullDiskLeavesTheOldFile) {
  std::ofstream(folder_ / "a") << "old";
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  getrlimit(RLIMIT_FSIZE, &old_limit);
  const rlimit small{1000, old_limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(
      {
        AtomicFile file(folder_ / "a");
        file.write(std::string(1 << 20, 'x'));
        file.commit();
      },
      ResourceError);
  setrlimit(RLIMIT_FSIZE, &old_limit);
  EXPECT_EQ(read_text(folder_ / "a"), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, AFolderIsReplacedOnlyIfItIsOurs) {
  const fs::path target = folder_ / "model";
  {
    AtomicFolder made(target, "marker");
    std::ofstream(made.path() / "marker") << "1";
    made.commit();
  }
  {
    AtomicFolder abandoned(target, "marker");
    std::ofstream(abandoned.path() / "marker") << "2";
  }
  EXPECT_EQ(read_text(target / "marker"), "1");
  {
    AtomicFolder made(target, "marker");
    std::ofstream(made.path() / "marker") << "3";
    made.commit();
  }
  EXPECT_EQ(read_text(target / "marker"), "3");
  EXPECT_EQ(entries(), 1u);

  fs::create_directories(folder_ / "precious");
  std::ofstream(folder_ / "precious" / "thesis.txt") << "years";
  EXPECT_THROW(AtomicFolder(folder_ / "precious", "marker"), InputError);
}

TEST_F(FileTest, WhatALinkLeadsToIsReplacedAndTheLinkStays) {
  fs::create_directories(folder_ / "disk" / "empty");
  std::ofstream(folder_ / "disk" / "a") << "old";
  fs::create_symlink("disk/a", folder_ / "link");
  fs::create_symlink("link", folder_ / "link of a link");
  AtomicFile file(folder_ / "link of a link");
  file.write("new");
  file.commit();
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(read_text(folder_ / "disk" / "a"), "new");

  fs::create_directory_symlink("disk/empty", folder_ / "models");
  AtomicFolder made(folder_ / "models" / "", "marker");
  EXPECT_EQ(fs::canonical(made.path().parent_path()), fs::canonical(folder_ / "disk"));
  std::ofstream(made.path() / "marker") << "1";
  made.commit();
  EXPECT_TRUE(fs::is_symlink(folder_ / "models"));
  EXPECT_TRUE(fs::exists(folder_ / "disk" / "empty" / "marker"));
  EXPECT_EQ(entries(), 4u);
}

TEST_F(FileTest, WhatWasLeftUnfinishedGoes) {
  const pid_t own = ::getpid();
  for (const std::string& name : {fmt::format(".model.{}.tmp", own), fmt::format(".model.{}.tmp", own + 1),
                                  fmt::format(".model.{}.tmp.old", own), fmt::format(".other.{}.tmp", own),
                                  std::string(".model.x.tmp")}) {
    fs::create_directories(folder_ / name);
    std::ofstream(folder_ / name / "model.safetensors") << "gigabytes";
  }
  { AtomicFolder made(folder_ / "model", "marker"); }
  for (const pid_t number : {own, own + 1})
    EXPECT_FALSE(fs::exists(folder_ / fmt::format(".model.{}.tmp", number)));
  EXPECT_EQ(entries(), 3u);
}

/// In another container the writer may have this process's number, or one that no process has here.
TEST_F(FileTest, WhatSomebodyElseIsWritingStays) {
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ::waitpid(dead, nullptr, 0);
  const AtomicFolder one(folder_ / "model", "marker"), two(folder_ / "model", "marker");
  EXPECT_NE(one.path(), two.path());
  const fs::path elsewhere = folder_ / fmt::format(".model.{}.tmp", dead);
  fs::rename(one.path(), elsewhere);
  {
    AtomicFolder three(folder_ / "model", "marker");
    std::ofstream(three.path() / "marker") << "3";
    three.commit();
  }
  EXPECT_TRUE(fs::exists(elsewhere));
  EXPECT_TRUE(fs::exists(two.path()));
  EXPECT_EQ(read_text(folder_ / "model" / "marker"), "3");
}

TEST_F(FileTest, APipeIsWrittenAsItIs) {
  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::string read;
  std::thread reader([&] { std::getline(std::ifstream(pipe), read); });
  AtomicFile file(pipe);
  file.write("through");
  file.commit();
  reader.join();
  EXPECT_EQ(read, "through");
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, MappedBytesAreTheFiles) {
  std::ofstream(folder_ / "a") << "mapped";
  const auto file = MappedFile::open(folder_ / "a");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()), "mapped");
  std::ofstream(folder_ / "empty").close();
  EXPECT_TRUE(MappedFile::open(folder_ / "empty")->bytes().empty());
  EXPECT_THROW(MappedFile::open(folder_ / "none"), InputError);
  EXPECT_THROW(MappedFile::open(folder_), InputError);
  EXPECT_THROW(read_text(folder_ / "a", 3), InputError);
}

}  // namespace
}  // namespace halftone
