#include "cli/suggest.h"

#include <gtest/gtest.h>

#include "cli/progress.h"

namespace halftone::cli {
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

TEST(DurationText, ReadsWell) {
  EXPECT_EQ(duration_text(7.6), "8 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(7500), "2 h 05 min");
}

}  // namespace
}  // namespace halftone::cli
