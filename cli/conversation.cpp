#include "cli/conversation.h"

#include <algorithm>

namespace halftone::cli {

Conversation::Conversation(TextModel& text, const ChatFormat& format, GenerationOptions options)
    : text_(text), format_(format), options_(std::move(options)), sequence_(text.engine->new_sequence()) {
  options_.stops.insert(options_.stops.end(), format.stops.begin(), format.stops.end());
  options_.end_tokens = format.end_tokens;
}

std::vector<TokenId> Conversation::prompt(const std::vector<ChatMessage>& messages) const {
  const std::string text = format_.format.render(messages, true, text_.model.bos_text, text_.model.eos_text);
  return text_.model.tokenizer->encode(text, false);
}

Generation Conversation::ask(const std::string& question, const std::function<bool(std::string_view)>& show) {
  std::vector<ChatMessage> messages = messages_;
  messages.push_back({"user", question});
  std::vector<TokenId> ids = prompt(messages);
  // An answer wants room: what -n allows, but no more than a quarter of the context.
  const int context = text_.engine->context();
  const int quarter = std::max(1, context / 4);
  const int room = options_.max_tokens > 0 ? std::min(options_.max_tokens, quarter) : quarter;
  const size_t first = has_system() ? 1 : 0;
  int dropped = 0;
  while (ids.size() + static_cast<size_t>(room) > static_cast<size_t>(context) &&
         messages.size() > first + 1) {
    // A turn is a question and its answer.
    const size_t count = std::min<size_t>(2, messages.size() - first - 1);
    messages.erase(messages.begin() + static_cast<std::ptrdiff_t>(first),
                   messages.begin() + static_cast<std::ptrdiff_t>(first + count));
    dropped += static_cast<int>(count);
    ids = prompt(messages);
  }

  GenerationOptions options = options_;
  options.sampling.seed += static_cast<uint64_t>(answers_);
  const Generation answer = generate(*text_.engine, sequence_, *text_.model.tokenizer, ids, options, show);
  messages.push_back({"assistant", answer.text});
  messages_ = std::move(messages);
  dropped_ = dropped;
  ++answers_;
  totals_.prompt_tokens += answer.stats.prompt_tokens;
  totals_.reused_tokens += answer.stats.reused_tokens;
  totals_.generated_tokens += answer.stats.generated_tokens;
  totals_.ttft_ms += answer.stats.ttft_ms;
  totals_.prefill_ms += answer.stats.prefill_ms;
  totals_.decode_ms += answer.stats.decode_ms;
  totals_.decode_runs += answer.stats.decode_runs;
  totals_.guessed_tokens += answer.stats.guessed_tokens;
  totals_.accepted_tokens += answer.stats.accepted_tokens;
  return answer;
}

void Conversation::set_system(const std::string& instructions) {
  if (has_system()) messages_.erase(messages_.begin());
  if (!instructions.empty()) messages_.insert(messages_.begin(), {"system", instructions});
}

void Conversation::reset() {
  messages_.resize(has_system() ? 1 : 0);
  sequence_.truncate(0);
}

}  // namespace halftone::cli
