#include "cli/model_options.h"

#include <mutex>
#include <thread>
#include <vector>

#include "backend/kernel.h"
#include "base/error.h"
#include "base/isa_flag.h"
#include "cli/device.h"
#include "runtime/plan_cache.h"

namespace halftone::cli {

namespace {

void warn(const std::string& what) {
  fmt::print(stderr, "halftone: warning: {}\n", what);
}

/// Tells what the plan cache warns of. What its own thread finds while an answer is being printed waits until
/// the cache is let go.
class CacheWarnings {
 public:
  CacheWarnings() = default;
  ~CacheWarnings() {
    for (const std::string& what : late_) warn(what);
  }
  CacheWarnings(const CacheWarnings&) = delete;
  CacheWarnings& operator=(const CacheWarnings&) = delete;

  void tell(const std::string& what) {
    if (std::this_thread::get_id() == thread_) return warn(what);
    const std::lock_guard lock(mutex_);
    late_.push_back(what);
  }

 private:
  const std::thread::id thread_ = std::this_thread::get_id();
  std::mutex mutex_;
  std::vector<std::string> late_;
};

}  // namespace

void add_plan_cache_option(CLI::App& command, std::string& folder) {
  command
      .add_option(
          "--plan-cache", folder,
          "Where packed weights are kept from start to start (default: halftone/ in the user's cache)")
      ->type_name("DIR");
}

std::string usual_plan_cache() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/')
    return (fs::path(cache) / "halftone").string();
  if (const char* home = std::getenv("HOME"); home && *home == '/')
    return (fs::path(home) / ".cache" / "halftone").string();
  return {};
}

std::shared_ptr<const PlanCache> open_plan_cache(const ModelOptions& options) {
  if (options.no_plan_cache) return nullptr;
  const std::string folder = options.plan_cache.empty() ? usual_plan_cache() : options.plan_cache;
  if (folder.empty()) return nullptr;
  try {
    return PlanCache::open(
        folder, PlanCache::kUsualLimit,
        [told = std::make_shared<CacheWarnings>()](const std::string& what) { told->tell(what); });
  } catch (const ResourceError& error) {
    if (!options.plan_cache.empty()) throw;
    warn(fmt::format("no plan cache: {} (--plan-cache DIR names another, --no-plan-cache does without)",
                     error.what()));
    return nullptr;
  }
}

void add_runtime_options(CLI::App& command, ModelOptions& options) {
  command.add_option("-t,--threads", options.threads, "Threads (0: one for each core)")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command
      .add_option_function<std::string>(
          "--device", [&options](const std::string& device) { options.backend = backend_for_device(device); },
          "Where to run: cpu, cuda or cuda:N (cuda-on-host: the host plays the GPU, slowly)")
      ->default_str("cpu")
      ->force_callback()
      ->type_name("NAME");
  command.add_flag("--exact", options.exact, "Keep activations in floating point");
  command.add_option_function<std::string>("--isa", limit_isa_to, "Use no instruction set beyond this one")
      ->type_name("NAME");
  add_plan_cache_option(command, options.plan_cache);
  command.add_flag("--no-plan-cache", options.no_plan_cache, "Pack weights anew and keep nothing");
  command.add_flag("--json", options.json, "Print one JSON object and nothing else");
  command.add_flag("--explain", options.explain,
                   "Say which kernel runs each node, and why no faster one does");
}

void add_model_options(CLI::App& command, ModelOptions& options, bool model_required) {
  auto* model = command.add_option("-m,--model", options.model,
                                   "Model: a Hugging Face or Halftone folder, or a .gguf file");
  model->required(model_required)->type_name("PATH");
  add_runtime_options(command, options);
  command.add_flag(
      "--bf16", options.bf16,
      "Round the inputs of layers whose weights are bf16 to bf16 (faster on AVX512-BF16 and AMX)");
  command
      .add_option("-c,--context,--ctx-size", options.context,
                  "Context in tokens (0: the model's own, at most 8192)")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  command
      .add_option_function<std::string>(
          "--kv",
          [&options](const std::string& name) {
            const auto format = kv_format_from_name(name);
            if (!format)
              throw UsageError("--kv {}: expected f16, bf16, int8, int8-channel, int4 or f32", name);
            options.kv = *format;
          },
          "How keys and values are kept: f16, bf16, int8, int8-channel, int4 or f32")
      ->default_str("f16")
      ->type_name("FORMAT");
  command
      .add_option("--kv-residual", options.kv_residual,
                  "--kv int4 and int8-channel: this many of the newest tokens stay in f16")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  add_force_option(command, options);
}

void add_force_option(CLI::App& command, ModelOptions& options) {
  command.add_flag("--force", options.force, "Go on though the model needs more memory than there is");
}

}  // namespace halftone::cli
