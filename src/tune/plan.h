#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cost/memory.h"
#include "cost/roofline.h"
#include "models/model.h"
#include "quant/recipe.h"

namespace halftone {

/// What a user wants most of a plan.
enum class PlanGoal { latency, size, accuracy };

struct PlanOptions {
  int64_t context = 0;  ///< tokens of one sequence; 0: the model's own, at most kDefaultContext
  int batch = 1;        ///< sequences decoded side by side, each with a cache of `context` tokens
  int chunk = 512;      ///< most prompt tokens in one run, as the engine does it
  KvFormat kv = KvFormat::f16;
  std::vector<int> prompt_tokens = {128, 512, 2048};  ///< prompts whose time is told
  std::vector<int> depths = {0, 1024, 4096};          ///< tokens in the cache when a token is made
  PlanGoal goal = PlanGoal::latency;
  /// Bytes that the program may take on this very machine; unset: the device's memory less what its system
  /// keeps.
  std::optional<double> free_bytes{};
};

/// Time of one prompt or of one token; seconds are unknown where no peak of the format is known.
struct PhasePlan {
  int tokens = 0;  ///< prompt length, or depth
  std::optional<double> seconds;
  RunTime run;  ///< of the prompt's last chunk, or of the token
};

/// What is published of the loss of such an encoding.
struct AccuracyPrior {
  double loss_percent = 0;   ///< of perplexity
  bool upper_bound = false;  ///< published for larger groups; this one loses no more
  std::string source;
};

/// The plan for one recipe.
struct RecipePlan {
  std::string recipe;  ///< "original" for the model as it is
  MemoryNeed memory;
  double weight_bytes = 0;  ///< as stored
  double bits_per_weight = 0;
  bool fits = false;
  int64_t largest_context = 0;  ///< of this batch; 0: not even one block
  int64_t largest_batch = 0;    ///< at this context
  double kv_bytes_per_token = 0;
  std::vector<PhasePlan> prefill;  ///< by PlanOptions::prompt_tokens
  std::vector<PhasePlan> decode;   ///< by PlanOptions::depths
  std::optional<AccuracyPrior> prior;
  /// Seconds of the first prompt and of a token at the first depth.
  std::optional<double> ttft() const;
  std::optional<double> tpot() const;

  Graph graph;  ///< as it would be compiled; names the nodes of `run`
};

struct DevicePlan {
  Device device;
  PlanOptions options;
  double available_bytes = 0;       ///< the device's memory, system's share included
  std::vector<RecipePlan> recipes;  ///< best first, by the goal
  int recommended = -1;             ///< position; -1: nothing fits
  std::string reason;
};

/// The recipes that a plan compares when none is asked for: one of each kind, not each group size.
std::vector<Recipe> compared_recipes();

/// What is published of a graph's loss under its recipe, by the bits and the groups of most of its weights.
std::optional<AccuracyPrior> accuracy_prior(const Recipe& recipe);

/// Builds the graph of an LLM for planning: of a folder, a .gguf, a config.json (no weights needed) or the
/// name of a built-in shape. Throws as build_llm() does, UsageError for a name that is none of these (with
/// the nearest shape).
Graph graph_for_plan(const std::string& model, int64_t context);

/// The plan of one encoding of a model. The graph is unquantized unless `recipe` is null.
RecipePlan plan_recipe(Graph graph, const Recipe* recipe, const Device& device, const PlanOptions& options);

/// The plan of a graph as compile() leaves it (passes run, activation encodings set).
RecipePlan plan_compiled(Graph graph, const Device& device, const PlanOptions& options);

/// Every recipe's plan (and, unless told otherwise, the original's), sorted by the goal, with a
/// recommendation: the best by the goal among those that fit and whose published loss is at most kWorstPrior.
DevicePlan plan_device(const std::function<Graph()>& make_graph, const std::vector<Recipe>& recipes,
                       const Device& device, const PlanOptions& options, bool with_original = true);
inline constexpr double kWorstPrior = 10;  ///< percent of perplexity

/// "weights 4.21 GB + KV cache 1.07 GB + ... = 6.1 GB of 8.0 GB".
std::string memory_sum_text(const MemoryNeed& need, double available);

}  // namespace halftone
