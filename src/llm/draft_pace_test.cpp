#include "llm/draft_pace.h"

#include <gtest/gtest.h>

namespace halftone {
namespace {

/// Runs until `tokens` are made; how many runs guessed. `accepted(guessed)` of each guess are right; a run of
/// 1 + g tokens takes plain + g * extra milliseconds.
template <class Accepted>
int runs_that_guess(DraftPace& pace, int tokens, double plain, double extra, Accepted accepted) {
  int guessing = 0;
  while (tokens > 0) {
    const int guessed = pace.next(), right = accepted(guessed);
    pace.record(guessed, right, plain + guessed * extra);
    guessing += guessed > 0;
    tokens -= right + 1;
  }
  return guessing;
}

TEST(DraftPace, GoesOnWhereGuessesPay) {
  DraftPace pace(4);
  EXPECT_EQ(pace.next(), 0) << "a run without is timed first";
  const int guessing = runs_that_guess(pace, 1000, 10, 1, [](int guessed) { return guessed; });
  EXPECT_FALSE(pace.paused());
  EXPECT_EQ(pace.next(), 4);
  EXPECT_NEAR(guessing, 1000 / 5.0, 10);
}

TEST(DraftPace, SeldomGuessesWhereTheyDoNot) {
  DraftPace pace(4);
  const int guessing = runs_that_guess(pace, 4000, 10, 5, [](int) { return 0; });
  EXPECT_LT(guessing, 4000 / 20);
  EXPECT_GE(guessing, 16) << "it tries again now and then";
}

TEST(DraftPace, RestsWhereRightGuessesCostMoreThanTheyBring) {
  DraftPace pace(4);
  runs_that_guess(pace, 45, 10, 20, [](int guessed) { return guessed; });
  EXPECT_TRUE(pace.paused());
}

TEST(DraftPace, EndsATrialThatIsFarBehind) {
  DraftPace pace(4);
  const int guessing = runs_that_guess(pace, 30, 10, 20, [](int) { return 0; });
  EXPECT_TRUE(pace.paused());
  EXPECT_EQ(guessing, 3) << "one that reads the text, then two that lose 20 ms each";
}

TEST(DraftPace, DoesNotJudgeAGuessThatReadsTheTextFirst) {
  DraftPace pace(4);
  while (pace.next() == 0) pace.record(0, 0, 10);
  pace.record(4, 4, 1000);
  EXPECT_FALSE(pace.paused());
  runs_that_guess(pace, 100, 10, 1, [](int guessed) { return guessed; });
  EXPECT_FALSE(pace.paused());
}

TEST(DraftPace, StartsAgainWhenTheTextTurns) {
  DraftPace pace(4);
  runs_that_guess(pace, 200, 10, 5, [](int) { return 0; });
  const int guessing = runs_that_guess(pace, 4000, 10, 1, [](int guessed) { return guessed; });
  EXPECT_GT(guessing, 500);
  EXPECT_FALSE(pace.paused());
}

TEST(DraftPace, GuessesAreAsLongAsTheyWereRight) {
  DraftPace pace(6);
  while (pace.next() == 0) pace.record(0, 0, 10);
  EXPECT_EQ(pace.next(), 6);
  pace.record(6, 1, 10);
  EXPECT_EQ(pace.next(), 2);
  pace.record(2, 2, 10);
  EXPECT_EQ(pace.next(), 3);
}

}  // namespace
}  // namespace halftone
