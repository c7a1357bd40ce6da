#include "llm/generate.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <optional>

#include "base/error.h"
#include "llm/stop_strings.h"

namespace halftone {
namespace {

double milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

/// Keeps what the sequence and the prompt have in common, but always leaves a token to run.
int reuse(Sequence& sequence, std::span<const TokenId> prompt) {
  const auto held = sequence.tokens();
  const auto end = std::mismatch(held.begin(), held.end(), prompt.begin(), prompt.end() - 1).first;
  const auto common = static_cast<int>(end - held.begin());
  sequence.truncate(common);
  return common;
}

/// Logits after the prompt, chunk by chunk; empty when `go_on` says no.
std::span<const float> run_prompt(Engine& engine, Sequence& sequence, std::span<const TokenId> prompt,
                                  const GenerationOptions& options, const std::function<bool()>& go_on) {
  std::span<const float> logits;
  while (static_cast<size_t>(sequence.length()) < prompt.size()) {
    if (!go_on()) return {};
    const auto left = prompt.subspan(static_cast<size_t>(sequence.length()));
    logits = engine.append(sequence, left.first(std::min(left.size(), static_cast<size_t>(engine.chunk()))));
    if (options.progress) options.progress(sequence.length(), static_cast<int>(prompt.size()));
  }
  return logits;
}

bool contains(std::span<const TokenId> tokens, TokenId id) {
  return std::find(tokens.begin(), tokens.end(), id) != tokens.end();
}

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
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  if (prompt.empty()) throw InputError("the prompt is empty: it has no token to begin with");
  if (prompt.size() > static_cast<size_t>(engine.context()))
    throw InputError("the prompt has {} tokens, but the context holds {}", prompt.size(), engine.context());

  Generation result;
  result.stats.prompt_tokens = static_cast<int>(prompt.size());
  result.stats.reused_tokens = reuse(sequence, prompt);

  Sampler sampler(options.sampling);
  StopStrings stops(options.stops);
  StreamDecoder decoder(tokenizer);
  for (TokenId id : prompt) decoder.push(id);  // the text of a token may depend on those before it
  auto emit = [&](const std::string& text) {
    result.text += text;
    return !show || show(text);
  };

  auto reason_to_end = [&](bool wanted) -> std::optional<StopReason> {
    if (stops.stopped()) return StopReason::stop_string;
    if (!wanted) return StopReason::cancelled;
    if (result.stats.generated_tokens == options.max_tokens) return StopReason::max_tokens;
    if (sequence.length() == engine.context()) return StopReason::context_full;
    return std::nullopt;
  };

  std::vector<TokenId> history(prompt.begin(), prompt.end());
  std::span<const float> logits = run_prompt(engine, sequence, prompt, options, [&] { return emit(""); });
  if (logits.empty()) {
    result.reason = StopReason::cancelled;
    return result;
  }
  result.stats.prefill_ms = milliseconds(Clock::now() - start);
  auto first = Clock::now();
  while (true) {
    const TokenId next = sampler.sample(logits, history);
    const auto now = Clock::now();
    if (++result.stats.generated_tokens == 1) {
      first = now;
      result.stats.ttft_ms = milliseconds(now - start);
    }
    result.stats.decode_ms = milliseconds(now - first);
    if (contains(options.end_tokens, next)) {
      result.reason = StopReason::end_token;
      break;
    }
    result.tokens.push_back(next);
    history.push_back(next);
    const bool wanted = emit(stops.push(decoder.push(next)));
    if (const auto reason = reason_to_end(wanted)) {
      result.reason = *reason;
      break;
    }
    logits = engine.append(sequence, {&next, 1});
  }
  if (!stops.stopped()) {
    emit(stops.push(decoder.finish()));
    emit(stops.finish());
  }
  return result;
}

size_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;  // "VmHWM:   123 kB"
  return 0;
}

}  // namespace halftone
