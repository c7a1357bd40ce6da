#pragma once

#include "cli/speculate_options.h"

namespace halftone::cli {

/// Times greedy answers of `tokens` tokens with and without guesses, by turns, on a text that repeats itself
/// and on one that does not, and prints both speeds and the gain.
void bench_speculation(const ModelOptions& model, const SpeculateOptions& speculate, int tokens,
                       int repetitions);

}  // namespace halftone::cli
