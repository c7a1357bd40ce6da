#pragma once

#include <memory>

#include "cli/text_model.h"
#include "llm/generate.h"

namespace halftone::cli {

/// How tokens are guessed ahead.
struct SpeculateOptions {
  std::string by;  ///< "ngram", or the draft model's folder or file; empty: not at all
  int draft_tokens = 4;
};

/// Adds --speculate and --draft-tokens.
void add_speculate_options(CLI::App& command, SpeculateOptions& options);

/// The drafter that the options name; null for none. A draft model shares the model's threads, context and
/// options. Throws InputError when its vocabulary is another one, and whatever is wrong with it.
std::unique_ptr<Drafter> make_drafter(const SpeculateOptions& options, const TextModel& text,
                                      const ModelOptions& model);

/// "ngram: 120 of 180 guesses right (66.7 %), 2.41 tokens a run".
std::string speculation_text(const Drafter& drafter, const GenerationStats& stats);
/// {"drafter", "guessed_tokens", "accepted_tokens", "acceptance", "tokens_per_run"}
OrderedJson speculation_json(const Drafter& drafter, const GenerationStats& stats);

}  // namespace halftone::cli
