#include "formats/npy.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/test_folder.h"

namespace halftone {
namespace {

std::string npy(const std::string& header, const std::string& data) {
  std::string file("\x93NUMPY\1\0", 8);
  file += static_cast<char>(header.size());
  file += '\0';
  return file + header + data;
}

TEST(Npy, WhatIsWrittenIsRead) {
  const TestFolder folder;
  const Tensor matrix = Tensor::from<int16_t>({2, 3}, {1, -2, 3, 4, 5, 6});
  write_npy(folder / "a.npy", matrix.view());
  const Tensor read = read_npy(folder / "a.npy");
  EXPECT_EQ(read.shape(), (Shape{2, 3}));
  EXPECT_EQ(read.span<int16_t>()[1], -2);

  write_npy(folder / "b.npy", Tensor::from<float>({}, {1.5f}).view());
  EXPECT_EQ(read_npy(folder / "b.npy").shape(), Shape{});
  const BFloat16 half = to_bfloat16(0.5f);
  write_npy(folder / "c.npy", Tensor::from<BFloat16>({1}, {half}).view());
  EXPECT_EQ(read_npy(folder / "c.npy").span<float>()[0], 0.5f);
}

TEST(Npy, WhatIsBrokenIsRefused) {
  const TestFolder folder;
  const fs::path path = folder / "x.npy";
  const auto refuses = [&](const std::string& file) {
    folder.write("x.npy", file);
    try {
      read_npy(path);
    } catch (const Error&) {
      return true;
    }
    return false;
  };
  const std::string good = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }";
  EXPECT_FALSE(refuses(npy(good, std::string(8, '\0'))));
  EXPECT_TRUE(refuses(""));
  EXPECT_TRUE(refuses("\x93NUMPY"));
  EXPECT_TRUE(refuses(npy(good, std::string(7, '\0'))));
  EXPECT_TRUE(refuses(npy("{'descr': '<i4', 'fortran_order': True, 'shape': (2,), }", std::string(8, '\0'))));
  EXPECT_TRUE(
      refuses(npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", std::string(8, '\0'))));
  EXPECT_TRUE(
      refuses(npy("{'descr': '<i4', 'fortran_order': False, 'shape': (-2,), }", std::string(8, '\0'))));
  EXPECT_TRUE(refuses(npy("{'descr': '<i4', 'fortran_order': False, 'shape': (2", std::string(8, '\0'))));
  EXPECT_TRUE(refuses(npy("{'descr': '<i4', 'fortran_order': False, 'shape': (4611686018427387906,), }",
                          std::string(8, '\0'))));
}

}  // namespace
}  // namespace halftone
