#include "llm/generate.h"

#include <algorithm>
#include <chrono>
#include <fstream>

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
  for (TokenId id : prompt) decoder.push(id);
  // The text of a token may depend on those before it, so the decoder sees the prompt too.
  auto emit = [&](const std::string& text) {
    result.text += text;
    return text.empty() || !show || show(text);
  };

  std::vector<TokenId> history(prompt.begin(), prompt.end());
  std::span<const float> logits =
      engine.append(sequence, prompt.subspan(static_cast<size_t>(result.stats.reused_tokens)));
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
    if (std::find(options.end_tokens.begin(), options.end_tokens.end(), next) != options.end_tokens.end()) {
      result.reason = StopReason::end_token;
      break;
    }
    result.tokens.push_back(next);
    history.push_back(next);
    const bool wanted = emit(stops.push(decoder.push(next)));
    if (stops.stopped()) {
      result.reason = StopReason::stop_string;
      break;
    }
    if (!wanted) {
      result.reason = StopReason::cancelled;
      break;
    }
    if (result.stats.generated_tokens == options.max_tokens) {
      result.reason = StopReason::max_tokens;
      break;
    }
    if (sequence.length() == engine.context()) {
      result.reason = StopReason::context_full;
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
