#include "cli/progress.h"

#include <gtest/gtest.h>

namespace halftone::cli {
namespace {

TEST(DurationText, ReadsWell) {
  EXPECT_EQ(duration_text(7.6), "8 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(7500), "2 h 05 min");
}

}  // namespace
}  // namespace halftone::cli
