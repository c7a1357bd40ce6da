#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "ops/paged_attention/kv_cache.h"

namespace halftone {
class Backend;
class PlanCache;
}  // namespace halftone

namespace halftone::cli {

/// What every command that runs a model takes.
struct ModelOptions {
  std::string model;
  int threads = 0;                   ///< 0: one for each core this process may use
  const Backend* backend = nullptr;  ///< set when the options are parsed
  bool exact = false;
  bool bf16 = false;  ///< inputs of layers of bf16 weights are rounded to bf16
  int context = 0;    ///< tokens; 0: the model's own, at most kDefaultContext
  KvFormat kv = KvFormat::f16;
  int kv_residual = KvCache::Layout().residual_tokens;
  bool json = false;
  bool explain = false;
  std::string plan_cache;  ///< folder; empty: the user's own
  bool no_plan_cache = false;
  bool force = false;  ///< load though the plan says that memory will not do
};

/// Adds -m/--model, -t/--threads, --device, --exact, --bf16, --isa, -c/--context, --kv, --kv-residual,
/// --json,
/// --explain and --force. `model_required` is false where something else may name the model (--synthetic).
void add_model_options(CLI::App& command, ModelOptions& options, bool model_required = true);

/// Those of them that any graph can use: -t/--threads, --device, --exact, --isa, --plan-cache,
/// --no-plan-cache,
/// --json and --explain.
void add_runtime_options(CLI::App& command, ModelOptions& options);

/// --force: go on though memory will not do.
void add_force_option(CLI::App& command, ModelOptions& options);

/// Adds --plan-cache DIR.
void add_plan_cache_option(CLI::App& command, std::string& folder);

/// Where packed weights are kept when nothing else is said: halftone/ in $XDG_CACHE_HOME or ~/.cache; empty
/// where neither is set.
std::string usual_plan_cache();

/// The cache that the options name; null for none. A folder that was asked for must be usable
/// (ResourceError); where the usual one is not, a warning says so.
std::shared_ptr<const PlanCache> open_plan_cache(const ModelOptions& options);

}  // namespace halftone::cli
