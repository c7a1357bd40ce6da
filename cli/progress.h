#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace halftone::cli {

/// Tells on standard error how far long work has come: a bar with an estimate on a terminal, a plain line at
/// every tenth elsewhere. Says nothing about work that ends within a second or two.
class Progress {
 public:
  /// `quiet` (--json) silences it where standard error is no terminal.
  explicit Progress(std::string label, bool quiet = false);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Another part of the work begins, with pieces of its own.
  void begin(std::string label);
  /// `done` of `total` pieces are finished. Cheap: it may be called for each piece.
  void update(int64_t done, int64_t total);
  /// Removes the bar, so that other output may follow. The destructor does so too.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  std::string label_;
  bool terminal_;
  bool silent_;
  Clock::time_point start_;
  Clock::time_point drawn_{};
  int tenths_told_ = 0;
  bool on_screen_ = false;
};

/// "8 s", "3 min 20 s", "2 h 05 min".
std::string duration_text(double seconds);

}  // namespace halftone::cli
