#include "base/suggest.h"

#include <gtest/gtest.h>
#include <vector>

namespace halftone {
namespace {

const std::vector<std::string> kNames = {"run", "chat", "quantize", "bench"};

TEST(Suggest, FindsSlips) {
  EXPECT_EQ(nearest_name("rnu", kNames), "run");
  EXPECT_EQ(nearest_name("quantise", kNames), "quantize");
  EXPECT_EQ(nearest_name("caht", kNames), "chat");
}

TEST(Suggest, IsSilentOnOtherWords) {
  EXPECT_EQ(nearest_name("serve", kNames), "");
  EXPECT_EQ(nearest_name(std::string(1000, 'a'), kNames), "");
  EXPECT_EQ(did_you_mean("zzz", kNames), "");
}

}  // namespace
}  // namespace halftone
