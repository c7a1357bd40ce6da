#include "vision/image/image_list.h"

#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"

namespace halftone {
namespace {

class ImageListTest : public testing::Test {
 protected:
  ~ImageListTest() override { fs::remove_all(folder_); }
  void touch(const std::string& name) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << "x";
  }
  const fs::path folder_ = fs::path(testing::TempDir()) / fmt::format("image-list-{}", ::getpid());
};

TEST_F(ImageListTest, FoldersGiveTheirPicturesByName) {
  for (const char* name : {"b.JPG", "a.png", "notes.txt"}) touch(name);
  EXPECT_EQ(list_image_folder(folder_),
            (std::vector<std::string>{(folder_ / "a.png").string(), (folder_ / "b.JPG").string()}));
  touch("inner/notes.txt");
  EXPECT_THROW(list_image_folder(folder_ / "inner"), InputError);
  EXPECT_THROW(list_image_folder(folder_ / "none"), InputError);
}

TEST_F(ImageListTest, PicturesMayLieInAFolderBesideTheirAnnotations) {
  for (const char* name : {"images/1.jpg", "instances.json"}) touch(name);
  const std::vector<std::string> expected = {(folder_ / "images/1.jpg").string()};
  EXPECT_EQ(list_image_folder(folder_), expected);
  EXPECT_EQ(list_images(std::vector<std::string>{folder_.string()}), expected);
}

}  // namespace
}  // namespace halftone
