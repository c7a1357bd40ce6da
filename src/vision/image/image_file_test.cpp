#include "vision/image/image_file.h"

#include <fstream>
#include <gtest/gtest.h>

#include "base/error.h"
#include "npy.h"
#include "shared_files.h"

namespace halftone {
namespace {

fs::path testdata(const fs::path& inside) {
  return source_path("src/vision/image/testdata") / inside;
}

int worst_difference(const Image& image, const Tensor& golden) {
  EXPECT_EQ(golden.shape(), (Shape{image.height, image.width, 3}));
  const auto expected = golden.span<uint8_t>();
  int worst = 0;
  for (size_t i = 0; i < std::min(expected.size(), image.pixels.size()); ++i)
    worst = std::max(worst, std::abs(int{expected[i]} - int{image.pixels[i]}));
  return worst;
}

std::string error_of(std::string_view bytes, int64_t max_pixels = kMaxImagePixels) {
  try {
    decode_image(std::as_bytes(std::span(bytes)), "a.jpg", max_pixels);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(ImageFile, PixelsAreThoseOfPillow) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(testdata("files"))) {
    if (entry.path().extension() == ".npy") continue;
    const Tensor golden = read_npy(fs::path(entry.path()).replace_extension(".npy"));
    EXPECT_LE(worst_difference(read_image(entry.path()), golden), 1) << entry.path().filename();
    ++files;
  }
  EXPECT_GE(files, 22);
}

TEST(ImageFile, CutAnywhereIsAnErrorOrAWholePicture) {
  for (const char* name : {"plain_420.jpg", "progressive.jpg", "palette.png", "alpha.png", "lossy.webp"}) {
    const std::string file = read_text(testdata("files") / name);
    int errors = 0;
    for (size_t size = 0; size < file.size(); size += 7) errors += !error_of(file.substr(0, size)).empty();
    EXPECT_GE(errors, static_cast<int>(file.size() / 7) - 4)
        << name;  // what ends a file is not always needed
  }
}

TEST(ImageFile, SaysWhatIsWrong) {
  const std::string jpeg = read_text(testdata("files/plain_420.jpg"));
  EXPECT_NE(error_of("").find("empty file"), std::string::npos);
  EXPECT_NE(error_of("GIF89a, and more").find("expected a JPEG, PNG or WebP image"), std::string::npos);
  EXPECT_NE(error_of(jpeg.substr(0, jpeg.size() / 2)).find("broken JPEG: Premature end"), std::string::npos);
  EXPECT_NE(error_of(jpeg, 1000).find("expected an image of 1 to 1000 pixels, found 37 x 29"),
            std::string::npos);
}

/// A header may claim any size; no memory is taken for it.
TEST(ImageFile, LyingSizes) {
  std::string jpeg = read_text(testdata("files/plain_420.jpg"));
  const size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xff\xdc\xff\xdc");  // 65500 x 65500
  EXPECT_NE(error_of(jpeg).find("found 65500 x 65500"), std::string::npos);
  std::string png = read_text(testdata("files/plain_png.png"));
  png.replace(16, 8, std::string("\x7f\xff\xff\xff\x7f\xff\xff\xff", 8));
  EXPECT_NE(error_of(png), "");  // the checksum no longer fits either
}

TEST(ImageFile, WrittenAndReadAgain) {
  const fs::path folder = fs::path(testing::TempDir()) / "image_file_test";
  fs::create_directories(folder);
  const Image image = read_image(testdata("files/plain_png.png"));
  write_image(image, folder / "a.png");
  EXPECT_EQ(read_image(folder / "a.png").pixels, image.pixels);
  write_image(image, folder / "a.jpg");
  const Image again = read_image(folder / "a.jpg");
  EXPECT_EQ(again.width, image.width);
  EXPECT_EQ(again.height, image.height);
  EXPECT_THROW(write_image(image, folder / "a.gif"), UsageError);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace halftone
