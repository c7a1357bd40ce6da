#pragma once

namespace halftone {

/// Decides from measured times how many tokens to guess before the next run. Guesses pay where the tokens
/// that they bring cost less time than as many runs without guesses; where they do not, it pauses until what
/// finding out cost is a small share of the time.
class DraftPace {
 public:
  /// `most`: the longest guess, in tokens.
  explicit DraftPace(int most) : most_(most), length_(most) {}

  /// Tokens to guess before the next run; 0: none this time.
  int next() const;
  /// What came of a run: tokens guessed (0: none, or the drafter had no idea) and how many of those were
  /// right, and the time from before guessing until its tokens were drawn.
  void record(int guessed, int accepted, double milliseconds);

  /// Whether guessing was found not to pay, and rests.
  bool paused() const { return pause_ > 0; }

 private:
  void judge();

  int most_;
  int length_;               ///< of the next guess
  bool caught_up_ = false;   ///< the drafter knows the text: a guess that must read it first is not judged
  double reading_loss_ = 0;  ///< of that guess: time beyond what its tokens take without guesses
  int plain_runs_ = 0;       ///< without guesses, in all
  double plain_ms_ = 0;      ///< of one of them, lately
  int since_plain_ = 0;      ///< runs with guesses since the last without
  int trial_runs_ = 0;       ///< with guesses, since the last judgement
  double trial_loss_ = 0;    ///< in those; negative where guesses pay
  int pause_ = 0;            ///< runs that are left to go without
};

}  // namespace halftone
