#include "cli/progress.h"

#include <cmath>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace halftone::cli {
namespace {

constexpr double kBarDelay = 0.4;   ///< seconds of silence on a terminal
constexpr double kLineDelay = 2.0;  ///< and elsewhere
constexpr double kRedraw = 0.1;
constexpr int kBarWidth = 30;

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::string duration_text(double value) {
  const auto whole = static_cast<int64_t>(std::llround(std::max(0.0, value)));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

Progress::Progress(std::string label, bool quiet)
    : label_(std::move(label)),
      terminal_(isatty(STDERR_FILENO) != 0),
      silent_(quiet && !terminal_),
      start_(Clock::now()) {}

Progress::~Progress() {
  finish();
}

void Progress::begin(std::string label) {
  label_ = std::move(label);
  start_ = Clock::now();
  tenths_told_ = 0;
}

void Progress::update(int64_t done, int64_t total) {
  if (silent_ || total <= 0) return;
  const auto now = Clock::now();
  const double elapsed = seconds(now - start_);
  const double share = static_cast<double>(done) / static_cast<double>(total);
  const std::string left =
      done > 0 && done < total ? ", " + duration_text(elapsed / share - elapsed) + " left" : "";
  if (terminal_) {
    if (elapsed < kBarDelay || (seconds(now - drawn_) < kRedraw && done < total)) return;
    const int filled = static_cast<int>(share * kBarWidth);
    fmt::print(stderr, "\r\x1b[K{} [{:#<{}}{:.<{}}] {:3.0f} %{}", label_, "", filled, "", kBarWidth - filled,
               share * 100, left);
    std::fflush(stderr);
    drawn_ = now;
    on_screen_ = true;
    return;
  }
  const int tenths = static_cast<int>(share * 10);
  if (elapsed < kLineDelay || tenths <= tenths_told_) return;
  tenths_told_ = tenths;
  fmt::print(stderr, "{}: {} of {} ({:.0f} %){}\n", label_, done, total, share * 100, left);
}

void Progress::finish() {
  if (!on_screen_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  on_screen_ = false;
}

}  // namespace halftone::cli
