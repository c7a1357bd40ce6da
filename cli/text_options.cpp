#include "cli/text_options.h"

#include <algorithm>
#include <limits>
#include <random>

namespace halftone::cli {

void add_text_options(CLI::App& command, TextOptions& options) {
  command
      .add_option("-n,--max-tokens,--n-predict", options.max_tokens,
                  "Most tokens to make (0 or -1: until the text ends)")
      ->check(CLI::Range(-1, std::numeric_limits<int>::max()));
  command.add_option(
      "--temp,--temperature", options.temperature,
      "Temperature; 0: always the likeliest token (default: the model's generation_config.json, "
      "else 0.8)");
  command.add_option("--top-k", options.top_k,
                     "Draw from the k likeliest; 0: all (default: the model's, else 40)");
  command.add_option("--top-p", options.top_p,
                     "Draw from the likeliest that hold this probability (default: the model's, else 0.95)");
  command.add_option(
      "--min-p", options.min_p,
      "Draw from those at least this likely relative to the likeliest (default: the model's, else 0)");
  command.add_option("--repeat-penalty", options.repeat_penalty,
                     "Divide logits of tokens seen before by this (default: the model's, else 1)");
  command
      .add_option_function<int64_t>(
          "--seed",
          [&options](int64_t seed) {
            options.seed = seed == -1 ? std::nullopt : std::optional(static_cast<uint64_t>(seed));
          },
          "Seed of the draws (default, or -1: another one each time)")
      ->type_name("INT");
  command
      .add_option("--stop,--reverse-prompt", options.stops,
                  "End before this text; may be given several times")
      ->type_name("TEXT")
      ->allow_extra_args(false);
}

GenerationOptions generation_options(const TextOptions& options, const LlmModel& model) {
  GenerationOptions result;
  SamplingOptions& sampling = result.sampling;
  sampling = model.sampling;
  sampling.temperature = options.temperature.value_or(sampling.temperature);
  sampling.top_k = options.top_k.value_or(sampling.top_k);
  sampling.top_p = options.top_p.value_or(sampling.top_p);
  sampling.min_p = options.min_p.value_or(sampling.min_p);
  sampling.repeat_penalty = options.repeat_penalty.value_or(sampling.repeat_penalty);
  sampling.seed = options.seed ? *options.seed : std::random_device()();
  check(sampling);
  result.max_tokens = std::max(0, options.max_tokens);
  result.end_tokens = model.end_tokens;
  result.stops = options.stops;
  return result;
}

}  // namespace halftone::cli
