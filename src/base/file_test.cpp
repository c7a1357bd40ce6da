#include "base/file.h"

#include <csignal>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/resource.h>
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
