#include "cli/chat_format.h"

#include <fmt/ranges.h>

#include "base/file.h"

namespace halftone::cli {
namespace {

ChatFormat named(const NamedChatTemplate& found, bool guessed) {
  ChatFormat result{ChatTemplate(found.text, std::string(found.name)), std::string(found.name)};
  if (found.name == "plain") result.stops = {"\nUser:", "\nAssistant:"};
  if (found.name == "vicuna") result.stops = {"USER:"};
  result.guessed = guessed;
  return result;
}

}  // namespace

std::string chat_template_names() {
  std::vector<std::string_view> names;
  for (const NamedChatTemplate& one : named_chat_templates()) names.push_back(one.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

namespace {

ChatFormat choose(const std::string& asked, const LlmModel& model) {
  if (!asked.empty()) {
    if (const NamedChatTemplate* found = find_chat_template(asked)) return named(*found, false);
    if (!fs::exists(asked))
      throw UsageError("--chat-template {}: neither a file nor one of {}", asked, chat_template_names());
    return {ChatTemplate(read_text(asked, size_t{1} << 20), asked), asked};
  }
  if (model.chat_template) return {ChatTemplate(*model.chat_template, model.name), "the model's own"};
  for (const NamedChatTemplate& one : named_chat_templates())
    if (!one.mark.empty() && model.tokenizer->find(one.mark)) return named(one, true);
  return named(*find_chat_template("plain"), true);
}

}  // namespace

ChatFormat chat_format(const std::string& asked, const LlmModel& model) {
  ChatFormat format = choose(asked, model);
  format.end_tokens = model.end_tokens;
  for (const NamedChatTemplate& one : named_chat_templates())
    if (!one.turn_end.empty())
      if (const auto id = model.tokenizer->find(one.turn_end)) format.end_tokens.push_back(*id);
  return format;
}

}  // namespace halftone::cli
