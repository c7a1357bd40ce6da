#include "llm/generate.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <optional>
#include <utility>

#include "base/error.h"
#include "llm/draft_pace.h"
#include "llm/stop_strings.h"

namespace halftone {
namespace {

double milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

/// Runs the prompt chunk by chunk; false when `go_on` says no.
bool run_prompt(Engine& engine, Sequence& sequence, std::span<const TokenId> prompt,
                const GenerationOptions& options, const std::function<bool()>& go_on) {
  while (static_cast<size_t>(sequence.length()) < prompt.size()) {
    if (!go_on()) return false;
    const auto left = prompt.subspan(static_cast<size_t>(sequence.length()));
    engine.extend(sequence, left.first(std::min(left.size(), static_cast<size_t>(engine.chunk()))));
    if (options.progress) options.progress(sequence.length(), static_cast<int>(prompt.size()));
  }
  return true;
}

bool contains(std::span<const TokenId> tokens, TokenId id) {
  return std::find(tokens.begin(), tokens.end(), id) != tokens.end();
}

/// One text in the making, from the prompt's logits to the reason to end.
class Writer {
 public:
  using Clock = std::chrono::steady_clock;
  using Show = std::function<bool(std::string_view text)>;

  Writer(Engine& engine, Sequence& sequence, const Tokenizer& tokenizer, std::span<const TokenId> prompt,
         const GenerationOptions& options, const Show& show)
      : engine_(engine),
        sequence_(sequence),
        options_(options),
        show_(show),
        sampler_(options.sampling),
        drawer_(options.drafter ? nullptr : engine.token_drawer(options.sampling)),
        stops_(options.stops),
        decoder_(tokenizer),
        pace_(options.draft_tokens),
        history_(prompt.begin(), prompt.end()) {
    // The text of a token may depend on those before it.
    std::string read;
    for (TokenId id : prompt) read += decoder_.push(id);
    if (const std::string whole = tokenizer.decode(prompt); whole.starts_with(read))
      held_ = whole.substr(read.size());
    result_.stats.prompt_tokens = static_cast<int>(prompt.size());
    result_.stats.reused_tokens = sequence.keep_common(prompt);
  }

  Generation write() {
    if (!run_prompt(engine_, sequence_, std::vector(history_), options_, [&] { return emit(""); })) {
      result_.reason = StopReason::cancelled;
      return std::move(result_);
    }
    engine_.wait();
    result_.stats.prefill_ms = milliseconds(Clock::now() - start_);
    while (!draw()) {
      ran_ = Clock::now();
      guesses_ = guess();
      run();
    }
    // All but the last token drawn: an end token, or the last of the text.
    sequence_.truncate(result_.stats.prompt_tokens + result_.stats.generated_tokens - 1);
    if (!stops_.stopped()) {
      emit(stops_.push(without_held(decoder_.finish())));
      emit(stops_.finish());
    }
    return std::move(result_);
  }

 private:
  bool emit(const std::string& text) {
    result_.text += text;
    return !show_ || show_(text);
  }

  /// `text` without what it has of the prompt's own.
  std::string without_held(std::string text) {
    if (text.starts_with(held_)) return text.substr(std::exchange(held_, "").size());
    if (!held_.starts_with(text)) {
      held_.clear();
      return text;
    }
    held_.erase(0, text.size());
    return "";
  }

  /// Draws tokens from the rows of logits, one after the last token and one after each guess, as long as they
  /// are those that were guessed. Whether the text ends there.
  bool draw() {
    size_t accepted = 0;
    while (true) {
      const TokenId next = drawer_ ? engine_.draw(*drawer_, history_) : draw_on_host(accepted);
      const bool right = accepted < guesses_.size() && next == guesses_[accepted];
      if (right) ++result_.stats.accepted_tokens;
      if (const auto reason = take(next)) {
        result_.reason = *reason;
        return true;
      }
      if (!right) break;
      ++accepted;
    }
    sequence_.truncate(static_cast<int>(history_.size()) - 1);
    if (ran_)
      pace_.record(static_cast<int>(guesses_.size()), static_cast<int>(accepted),
                   milliseconds(Clock::now() - *ran_));
    return false;
  }

  TokenId draw_on_host(size_t row) {
    const auto vocab = static_cast<size_t>(engine_.info().vocab);
    return sampler_.sample(engine_.logits().span<float>().subspan(row * vocab, vocab), history_);
  }

  /// Adds a token to the text; the reason to end, if there is one.
  std::optional<StopReason> take(TokenId next) {
    GenerationStats& stats = result_.stats;
    const auto now = Clock::now();
    if (++stats.generated_tokens == 1) {
      first_ = now;
      stats.ttft_ms = milliseconds(now - start_);
    }
    stats.decode_ms = milliseconds(now - first_);
    if (contains(options_.end_tokens, next)) return StopReason::end_token;
    result_.tokens.push_back(next);
    history_.push_back(next);
    const bool wanted = emit(stops_.push(without_held(decoder_.push(next))));
    if (stops_.stopped()) return StopReason::stop_string;
    if (!wanted) return StopReason::cancelled;
    if (stats.generated_tokens == options_.max_tokens) return StopReason::max_tokens;
    if (static_cast<int>(history_.size()) > engine_.context()) return StopReason::context_full;
    return std::nullopt;
  }

  /// Tokens that may follow the last one drawn.
  std::vector<TokenId> guess() {
    if (!options_.drafter) return {};
    int count = engine_.revocable(sequence_.length(), pace_.next());
    if (options_.max_tokens > 0)
      count = std::min(count, options_.max_tokens - result_.stats.generated_tokens - 1);
    if (count <= 0) return {};
    std::vector<TokenId> guesses = options_.drafter->guess(history_, count, sampler_);
    const auto unknown = [&](TokenId id) { return id < 0 || id >= engine_.info().vocab; };
    guesses.erase(std::ranges::find_if(guesses, unknown), guesses.end());
    return guesses;
  }

  /// Makes logits after the last token drawn and after each guess.
  void run() {
    std::vector<TokenId> tokens = {history_.back()};
    tokens.insert(tokens.end(), guesses_.begin(), guesses_.end());
    const Engine::Feed feed{&sequence_, tokens, static_cast<int>(tokens.size())};
    ++result_.stats.decode_runs;
    result_.stats.guessed_tokens += static_cast<int>(guesses_.size());
    engine_.step({&feed, 1});
  }

  Engine& engine_;
  Sequence& sequence_;
  const GenerationOptions& options_;
  const Show& show_;
  Sampler sampler_;
  std::unique_ptr<TokenDrawer> drawer_;  ///< null: tokens are drawn on the host
  StopStrings stops_;
  StreamDecoder decoder_;
  std::string held_;  ///< the end of the prompt's text, where the decoder gives it only with what follows
  DraftPace pace_;
  std::vector<TokenId> history_;  ///< the prompt and the text
  std::vector<TokenId> guesses_;
  Generation result_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point first_;
  std::optional<Clock::time_point> ran_;  ///< when the last run began, its guesses counted
};

}  // namespace

std::string_view stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::end_token:
      return "end_token";
    case StopReason::stop_string:
      return "stop_string";
    case StopReason::max_tokens:
      return "max_tokens";
    case StopReason::context_full:
      return "context_full";
    case StopReason::cancelled:
      return "cancelled";
  }
  return "";
}

double GenerationStats::prefill_tokens_per_s() const {
  return prefill_ms > 0 ? (prompt_tokens - reused_tokens) * 1000 / prefill_ms : 0;
}

Generation generate(Engine& engine, Sequence& sequence, const Tokenizer& tokenizer,
                    std::span<const TokenId> prompt, const GenerationOptions& options,
                    const std::function<bool(std::string_view text)>& show) {
  if (prompt.empty()) throw InputError("the prompt is empty: it has no token to begin with");
  if (prompt.size() > static_cast<size_t>(engine.context()))
    throw InputError("the prompt has {} tokens, but the context holds {}", prompt.size(), engine.context());
  if (options.drafter)
    if (const std::string refusal = speculation_refusal(engine.plan().graph()); !refusal.empty())
      throw UnsupportedError("guessing ahead would change answers of this model: {}", refusal);
  return Writer(engine, sequence, tokenizer, prompt, options, show).write();
}

size_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;  // "VmHWM:   123 kB"
  return 0;
}

}  // namespace halftone
