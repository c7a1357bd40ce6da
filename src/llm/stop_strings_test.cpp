#include "llm/stop_strings.h"

#include <gtest/gtest.h>

namespace halftone {
namespace {

TEST(StopStrings, PassesTextThroughWithoutStops) {
  StopStrings stops({""});
  EXPECT_EQ(stops.push("abc"), "abc");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, FindsAStopAcrossPieces) {
  StopStrings stops({"END"});
  EXPECT_EQ(stops.push("one E"), "one ");
  EXPECT_EQ(stops.push("N"), "");
  EXPECT_EQ(stops.push("D two"), "");
  EXPECT_TRUE(stops.stopped());
  EXPECT_EQ(stops.push("more"), "");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, LetsGoOfWhatWasNoStop) {
  StopStrings stops({"END"});
  EXPECT_EQ(stops.push("E"), "");
  EXPECT_EQ(stops.push("NEN"), "EN");
  EXPECT_EQ(stops.finish(), "EN");
  EXPECT_FALSE(stops.stopped());
}

TEST(StopStrings, TheEarliestOfSeveralWins) {
  StopStrings stops({"\n\nUser:", "user", "\n"});
  EXPECT_EQ(stops.push("fine\n\nUser: x"), "fine");
}

TEST(StopStrings, EqualsSearchingTheWholeTextHoweverItIsCut) {
  const std::string text = "ababaabacababacx";
  for (size_t first = 0; first <= text.size(); ++first)
    for (size_t second = first; second <= text.size(); ++second) {
      StopStrings stops({"abac", "bacx"});
      std::string shown = stops.push(text.substr(0, first));
      shown += stops.push(text.substr(first, second - first));
      shown += stops.push(text.substr(second));
      shown += stops.finish();
      EXPECT_EQ(shown, text.substr(0, text.find("abac")));
    }
}

}  // namespace
}  // namespace halftone
