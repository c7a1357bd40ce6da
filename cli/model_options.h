#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "ops/paged_attention/kv_cache.h"

namespace halftone {
class Backend;
}

namespace halftone::cli {

/// What every command that runs a model takes.
struct ModelOptions {
  std::string model;
  int threads = 0;                   ///< 0: one for each core this process may use
  const Backend* backend = nullptr;  ///< set when the options are parsed
  bool exact = false;
  int context = 0;  ///< tokens; 0: the model's own, at most kDefaultContext
  KvFormat kv = KvFormat::f16;
  int kv_residual = KvCache::Layout().residual_tokens;
  bool json = false;
  bool explain = false;
  bool force = false;  ///< load though the plan says that memory will not do
};

/// Adds -m/--model, -t/--threads, --device, --exact, --isa, -c/--context, --kv, --kv-residual, --json,
/// --explain and --force. `model_required` is false where something else may name the model (--synthetic).
void add_model_options(CLI::App& command, ModelOptions& options, bool model_required = true);

/// Those of them that any graph can use: -t/--threads, --device, --exact, --isa, --json and --explain.
void add_runtime_options(CLI::App& command, ModelOptions& options);

/// --force: go on though memory will not do.
void add_force_option(CLI::App& command, ModelOptions& options);

/// The backend that `device` names ("cpu", "cuda", "cuda:1"). Throws UsageError, UnsupportedError.
const Backend* backend_for_device(const std::string& device);

}  // namespace halftone::cli
