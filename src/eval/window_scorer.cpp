#include "eval/window_scorer.h"

#include <algorithm>

namespace halftone {
namespace {

/// Logits of one chunk stay near 32 MB.
constexpr int kLogitsOfAChunk = 8 << 20;

}  // namespace

WindowScorer::WindowScorer(Engine& engine)
    : engine_(engine),
      vocab_(static_cast<int>(engine.info().vocab)),
      max_rows_(std::min(std::max(kLogitsOfAChunk / vocab_, 16), engine.chunk())),
      sequence_(engine.new_sequence()) {}

void WindowScorer::begin(std::span<const TokenId> window) {
  sequence_.truncate(0);
  window_ = window;
}

std::span<const float> WindowScorer::next(int rows) {
  const size_t done = static_cast<size_t>(sequence_.length());
  const size_t count = std::min(window_.size() - done, static_cast<size_t>(rows));
  if (count == 0) return {};
  const Engine::Feed feed{&sequence_, window_.subspan(done, count), static_cast<int>(count)};
  return engine_.run({&feed, 1}).span<float>();
}

}  // namespace halftone
