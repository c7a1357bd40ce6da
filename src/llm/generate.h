#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/drafter.h"
#include "llm/engine.h"
#include "llm/sampler.h"

namespace halftone {

struct GenerationOptions {
  SamplingOptions sampling;
  int max_tokens = 0;               ///< 0: until the text ends or the context is full
  std::vector<TokenId> end_tokens;  ///< each ends the text and is not part of it
  std::vector<std::string> stops;   ///< each ends the text before it
  Drafter* drafter = nullptr;       ///< guesses tokens ahead while that pays; null: none
  int draft_tokens = 4;             ///< most that it guesses at a time, 1 to kMostDraftTokens
  /// Called as the prompt is run: tokens done and in all.
  std::function<void(int done, int total)> progress;
};

enum class StopReason { end_token, stop_string, max_tokens, context_full, cancelled };
std::string_view stop_reason_name(StopReason reason);  ///< "end_token", ...

struct GenerationStats {
  int prompt_tokens = 0;
  int reused_tokens = 0;     ///< of the prompt, found in the sequence's cache
  int generated_tokens = 0;  ///< sampled, an end token counted
  double ttft_ms = 0;        ///< from the call to the first token
  double prefill_ms = 0;     ///< running the prompt's tokens that were not reused
  double decode_ms = 0;      ///< from the first token to the last
  int decode_runs = 0;       ///< of the graph, after the prompt's
  int guessed_tokens = 0;    ///< by the drafter
  int accepted_tokens = 0;   ///< of those, the ones that the model drew too
  double tpot_ms() const { return generated_tokens > 1 ? decode_ms / (generated_tokens - 1) : 0; }
  double prefill_tokens_per_s() const;
  double decode_tokens_per_s() const { return decode_ms > 0 ? (generated_tokens - 1) * 1000 / decode_ms : 0; }
  double acceptance() const {
    return guessed_tokens > 0 ? static_cast<double>(accepted_tokens) / guessed_tokens : 0;
  }
};

struct Generation {
  std::string text;             ///< whole UTF-8 characters, without end token and stop string
  std::vector<TokenId> tokens;  ///< without the end token
  StopReason reason = StopReason::end_token;
  GenerationStats stats;
};

/// Continues `prompt`. Whatever of it is in `sequence` already is not run again; what the sequence holds
/// beyond is forgotten. Afterwards the sequence holds the prompt and the tokens before the last one. The same
/// options, seed and prompt give the same answer whether there is a drafter or not.
///
/// `show` gets the text as it becomes certain and says whether to go on; it is asked with "" where there is
/// none (before each chunk of the prompt, at tokens that complete no character). May be empty. Throws
/// InputError for an empty prompt and for one longer than the context, UnsupportedError for a drafter where
/// speculation_refusal() says why.
Generation generate(Engine& engine, Sequence& sequence, const Tokenizer& tokenizer,
                    std::span<const TokenId> prompt, const GenerationOptions& options,
                    const std::function<bool(std::string_view text)>& show = {});

/// The most memory this process has held so far, in bytes (VmHWM); 0 where the system does not say.
size_t peak_memory_bytes();

}  // namespace halftone
