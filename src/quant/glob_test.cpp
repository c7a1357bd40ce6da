#include "quant/glob.h"

#include <gtest/gtest.h>
#include <string>

namespace halftone {
namespace {

TEST(Glob, Matches) {
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("*", "model.layers.0.mlp.up_proj"));
  EXPECT_TRUE(glob_match("*.mlp.*", "model.layers.0.mlp.up_proj"));
  EXPECT_TRUE(glob_match("model.layers.?.mlp.*_proj", "model.layers.0.mlp.up_proj"));
  EXPECT_TRUE(glob_match("*a*b", "xaxbxb"));
  EXPECT_TRUE(glob_match("lm_head", "lm_head"));
}

TEST(Glob, DoesNotMatchParts) {
  EXPECT_FALSE(glob_match("", "x"));
  EXPECT_FALSE(glob_match("mlp", "model.mlp"));
  EXPECT_FALSE(glob_match("*.mlp", "model.mlp.up"));
  EXPECT_FALSE(glob_match("?", ""));
  EXPECT_FALSE(glob_match("*a*b", "xaxbxbx"));
}

TEST(Glob, ManyStarsDoNotExplode) {
  EXPECT_FALSE(glob_match("*a*a*a*a*a*a*a*a*a*a*b", std::string(5000, 'a')));
}

}  // namespace
}  // namespace halftone
