#include "cli/eval_text.h"

#include <gtest/gtest.h>

namespace halftone::cli {
namespace {

TEST(EvalText, WikitextRowsAreJoinedAsTheDataSetGivesThem) {
  EXPECT_EQ(join_wikitext_rows(" \n = Title = \n \n text\n"), "\n\n = Title = \n\n\n\n\n text\n");
}

}  // namespace
}  // namespace halftone::cli
