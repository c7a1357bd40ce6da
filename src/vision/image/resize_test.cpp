#include "vision/image/resize.h"

#include <gtest/gtest.h>

#include "npy.h"
#include "shared_files.h"

namespace halftone {
namespace {

fs::path testdata(const fs::path& inside) {
  return source_path("src/vision/image/testdata/resize") / inside;
}

Image image_of(const Tensor& pixels) {
  Image image(static_cast<int>(pixels.shape()[1]), static_cast<int>(pixels.shape()[0]));
  std::copy(pixels.span<uint8_t>().begin(), pixels.span<uint8_t>().end(), image.pixels.begin());
  return image;
}

int worst_difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.pixels.size(), b.pixels.size());
  int worst = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i)
    worst = std::max(worst, std::abs(int{a.pixels[i]} - int{b.pixels[i]}));
  return worst;
}

/// Pillow's arithmetic exactly; OpenCV's within one level (it rounds its weights, we do not).
TEST(Resize, IsThatOfTheOriginals) {
  const Image source = image_of(read_npy(testdata("source.npy")));
  int goldens = 0;
  for (const auto& entry : fs::directory_iterator(testdata({}))) {
    const std::string name = entry.path().stem();
    if (name == "source") continue;
    const size_t cut = name.rfind('_');
    const auto resampler = resampler_from_name(name.substr(0, cut));
    ASSERT_TRUE(resampler) << name;
    const Image golden = image_of(read_npy(entry.path()));
    for (int count : {1, 3}) {
      ThreadPool threads(count);
      const Image resized = resize(source, golden.width, golden.height, *resampler, threads);
      const bool opencv = *resampler == Resampler::opencv_bilinear;
      EXPECT_LE(worst_difference(resized, golden), opencv ? 1 : 0) << name;
    }
    ++goldens;
  }
  EXPECT_EQ(goldens, 21);
}

TEST(Resize, TheSameSizeIsTheSameImage) {
  const Image source = image_of(read_npy(testdata("source.npy")));
  ThreadPool threads(1);
  for (const char* name : {"pillow_bilinear", "pillow_bicubic", "opencv_bilinear"})
    EXPECT_EQ(resize(source, 61, 47, *resampler_from_name(name), threads).pixels, source.pixels) << name;
  EXPECT_FALSE(resampler_from_name("nearest"));
}

}  // namespace
}  // namespace halftone
