#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/chat_format.h"
#include "cli/text_model.h"
#include "llm/generate.h"

namespace halftone::cli {

/// A conversation with a model: its messages, and the cache that holds what was said, so that only new tokens
/// are run.
class Conversation {
 public:
  /// All three must outlive this.
  Conversation(TextModel& text, const ChatFormat& format, GenerationOptions options);

  /// Adds a question and the model's answer, which `show` gets as it comes. When the context would overflow,
  /// the oldest turns go first; dropped_last() says how many messages went. Throws what generate() throws,
  /// and then the conversation is as before.
  Generation ask(const std::string& question, const std::function<bool(std::string_view)>& show);
  int dropped_last() const { return dropped_; }

  /// Replaces the instructions; empty removes them.
  void set_system(const std::string& instructions);
  /// Forgets everything but the instructions.
  void reset();

  const std::vector<ChatMessage>& messages() const { return messages_; }
  const GenerationStats& totals() const { return totals_; }
  int answers() const { return answers_; }
  int cached_tokens() const { return sequence_.length(); }

 private:
  std::vector<TokenId> prompt(const std::vector<ChatMessage>& messages) const;
  bool has_system() const { return !messages_.empty() && messages_.front().role == "system"; }

  TextModel& text_;
  const ChatFormat& format_;
  GenerationOptions options_;
  Sequence sequence_;
  std::vector<ChatMessage> messages_;
  GenerationStats totals_;
  int answers_ = 0;
  int dropped_ = 0;
};

}  // namespace halftone::cli
