#pragma once

#include <span>

#include "llm/engine.h"

namespace halftone {

/// Runs an LLM over windows of tokens and hands out the logits of every position, a chunk of rows at a time.
class WindowScorer {
 public:
  explicit WindowScorer(Engine& engine);

  int vocab_size() const { return vocab_; }

  /// Forgets what came before and starts a window; its tokens must outlive the calls of next().
  void begin(std::span<const TokenId> window);
  /// Logits [rows, vocab] of the next chunk of the window, valid until the next call; empty at its end.
  /// `rows` must not be more than max_rows().
  std::span<const float> next(int rows);
  int max_rows() const { return max_rows_; }

 private:
  Engine& engine_;
  int vocab_;
  int max_rows_;
  Sequence sequence_;
  std::span<const TokenId> window_;
};

}  // namespace halftone
