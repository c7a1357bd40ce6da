#include "cli/tensor_files.h"

#include <gtest/gtest.h>

namespace halftone::cli {
namespace {

using Names = std::vector<std::string>;

TEST(TensorFiles, EveryOutputHasAFileOfItsOwn) {
  EXPECT_EQ(file_names({"y", "a/b", "a\nb", "c:d"}), (Names{"y", "a_b", "a_b-2", "c_d"}));
  EXPECT_EQ(file_names({"a/b", "a_b", "a_b-2", "a:b"}), (Names{"a_b-3", "a_b", "a_b-2", "a_b-4"}));
}

}  // namespace
}  // namespace halftone::cli
