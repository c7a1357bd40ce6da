#include "llm/chat_template/chat_template.h"

#include "llm/chat_template/evaluator.h"
#include "llm/chat_template/parser.h"

namespace halftone {

struct ChatTemplate::Parsed {
  jinja::Body body;
};

ChatTemplate::ChatTemplate(std::string_view text, std::string source) : source_(std::move(source)) {
  constexpr size_t kMaxLength = size_t{1} << 20;
  if (text.size() > kMaxLength)
    throw InputError("{}: the chat template has {} bytes, more than {}", source_, text.size(), kMaxLength);
  try {
    parsed_ = std::make_unique<const Parsed>(Parsed{jinja::parse(jinja::tokenize(text))});
  } catch (const InputError& error) {
    throw InputError("{}: chat template, {}", source_, error.what());
  }
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::render(const OrderedJson& variables) const {
  try {
    jinja::Dict entries;
    for (const auto& [name, value] : variables.items())
      entries.emplace_back(name, jinja::Value::from_json(value));
    return jinja::evaluate(parsed_->body, std::move(entries));
  } catch (const InputError& error) {
    throw InputError("{}: chat template, {}", source_, error.what());
  }
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages, bool open_answer,
                                 const std::string& bos, const std::string& eos) const {
  OrderedJson list = OrderedJson::array();
  for (const ChatMessage& message : messages)
    list.push_back({{"role", message.role}, {"content", message.content}});
  // Templates that ask whether tools are none, not whether they are defined, take transformers' word for it.
  return render({{"messages", std::move(list)},
                 {"tools", nullptr},
                 {"documents", nullptr},
                 {"add_generation_prompt", open_answer},
                 {"bos_token", bos},
                 {"eos_token", eos}});
}

}  // namespace halftone
