#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace halftone {

struct ChatMessage {
  std::string role;  ///< "system", "user", "assistant"
  std::string content;
};

/// Turns a conversation into the text a model was trained on: a Jinja template as Hugging Face tokenizers
/// have them, run by an interpreter of our own that knows the part of Jinja that chat templates use and
/// bounds depth, work and size, since templates come with models from anywhere.
class ChatTemplate {
 public:
  /// Throws InputError naming `source` and the line.
  ChatTemplate(std::string_view text, std::string source);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;

  /// What the template prints with these variables (an object). Throws InputError.
  std::string render(const OrderedJson& variables) const;

  /// The conversation, and the opening of an answer when `open_answer`. bos and eos are the tokens' texts.
  std::string render(std::span<const ChatMessage> messages, bool open_answer, const std::string& bos,
                     const std::string& eos) const;

 private:
  struct Parsed;
  std::string source_;
  std::unique_ptr<const Parsed> parsed_;
};

/// A conversation format of a model family, for models whose files have no template.
struct NamedChatTemplate {
  std::string_view name;  ///< "chatml", "llama-2", "llama-3", ...
  std::string_view text;
  /// A model uses the format when its vocabulary has this token; empty: cannot be told.
  std::string_view mark;
  std::string_view turn_end;  ///< the token that ends an answer; empty: the model's usual one
};
std::span<const NamedChatTemplate> named_chat_templates();
/// Null when there is none of that name.
const NamedChatTemplate* find_chat_template(std::string_view name);

}  // namespace halftone
