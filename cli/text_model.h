#pragma once

#include <memory>

#include "cli/model_options.h"
#include "llm/engine.h"
#include "llm/load_llm.h"

namespace halftone::cli {

/// A loaded and compiled LLM, as commands use it.
struct TextModel {
  LlmModel model;  ///< its graph has gone into the engine
  std::unique_ptr<ThreadPool> threads;
  std::unique_ptr<Engine> engine;
  double planned_bytes = 0;  ///< peak of memory that the plan foresaw
};

/// What `options` say of the engine; no progress.
EngineOptions engine_options(const ModelOptions& options);

/// Loads and compiles the model that `options` name, with progress on standard error, and prints the plan
/// under
/// --explain (to standard error, so that --json stays clean). Throws whatever is wrong with the model.
/// `answers_soon`: the first run does not wait for all weights to be packed
/// (CompileOptions::pack_between_runs).
TextModel open_text_model(const ModelOptions& options, bool answers_soon = false);

/// Compiles a model that is there already.
TextModel compile_text_model(LlmModel model, const ModelOptions& options, bool answers_soon = false);

}  // namespace halftone::cli
