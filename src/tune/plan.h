#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cost/memory.h"
#include "cost/roofline.h"
#include "formats/open_graph.h"
#include "models/model.h"
#include "quant/recipe.h"

namespace halftone {

/// What a user wants most of a plan.
enum class PlanGoal { latency, size, accuracy };

/// What is planned: a language model, alone or with what turns pictures into its tokens, or a model of
/// pictures (any graph that keeps no state).
struct PlannedModel {
  Graph graph;
  std::optional<Graph> vision{};  ///< of a vision language model: pictures to tokens; it stays in 16 bits
  std::string note{};             ///< what the plan leaves out or counts otherwise; often empty
};

/// Whether a graph keeps a state from run to run, as language models do.
bool keeps_state(const Graph& graph);

/// Whether the sizes of everything that a graph of pictures makes are known ahead: its inputs leave no
/// dimension open but the number of pictures, and no shape depends on what a run computes.
bool has_known_sizes(const Graph& graph);

struct PlanOptions {
  int64_t context = 0;  ///< tokens of one sequence; 0: the model's own, at most kDefaultContext
  int batch = 1;    ///< sequences decoded side by side, each with a cache of `context` tokens; or pictures
  int chunk = 512;  ///< most prompt tokens in one run, as the engine does it
  KvFormat kv = KvFormat::f16;
  std::vector<int> prompt_tokens = {128, 512, 2048};  ///< prompts whose time is told
  std::vector<int> depths = {0, 1024, 4096};          ///< tokens in the cache when a token is made
  PlanGoal goal = PlanGoal::latency;
  /// Bytes that the program may take on this very machine; unset: the device's memory less what its system
  /// keeps.
  std::optional<double> free_bytes{};
};

/// Time of one prompt, one token or one run on pictures; seconds are unknown where no peak of the format is
/// known.
struct PhasePlan {
  int tokens = 0;  ///< prompt length, depth, or pictures
  std::optional<double> seconds;
  RunTime run;  ///< of the prompt's last chunk, or of the token
};

/// What `eval` finds of a recipe's loss on a text of the user's.
struct MeasuredLoss {
  double loss_percent = 0;  ///< of perplexity against the original
  double kld = 0;           ///< mean divergence from the original, nats a token
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
  std::optional<PhasePlan> image;  ///< one run on `batch` pictures; of a vision language model one picture
  int64_t image_tokens = 0;        ///< that a picture becomes, in a vision language model
  double vision_bytes = 0;         ///< of weights, in a vision language model; counted in memory.weights
  std::optional<AccuracyPrior> prior;
  std::optional<MeasuredLoss> measured{};
  /// Seconds of the first prompt and of a token at the first depth.
  std::optional<double> ttft() const;
  std::optional<double> tpot() const;
  /// What --for latency sorts by: seconds of a token, or of a run on pictures.
  std::optional<double> latency() const;
  /// Percent of perplexity: measured, or else published; and whether it is known at all.
  std::optional<double> loss() const;

  Graph graph;                    ///< as it would be compiled; names the nodes of `run`
  std::optional<Graph> vision{};  ///< the same of the vision part
};

struct DevicePlan {
  Device device;
  PlanOptions options;
  double available_bytes = 0;       ///< the device's memory, system's share included
  std::vector<RecipePlan> recipes;  ///< best first, by the goal
  int recommended = -1;             ///< position; -1: nothing fits
  std::string reason;
};

/// The recipes that a plan of such a graph compares when none is asked for: one of each kind, not each group
/// size.
std::vector<Recipe> compared_recipes(const Graph& graph);

/// What is published of a graph's loss under its recipe, by the bits and the groups of most of its weights.
std::optional<AccuracyPrior> accuracy_prior(const Recipe& recipe);

/// The model of a plan: a folder of Hugging Face or our own, a .gguf, an .onnx (`onnx`: its open dimensions),
/// a config.json alone (no weights needed) or the name of a built-in shape. `context` as in BuildOptions.
/// Throws as build_llm() and open_model_graph() do, UsageError for a name that is none of these (with the
/// nearest shape).
PlannedModel open_for_plan(const std::string& model, int64_t context = 0, const OnnxImportOptions& onnx = {});

/// The plan of one encoding of a model. The graph is unquantized unless `recipe` is null. Throws UsageError
/// for a context or batch that the model cannot take, UnsupportedError for a graph of pictures whose shapes
/// depend on what it computes.
RecipePlan plan_recipe(PlannedModel model, const Recipe* recipe, const Device& device,
                       const PlanOptions& options);

/// The plan of graphs as compile() leaves them (rewrite_to_run()).
RecipePlan plan_compiled(PlannedModel model, const Device& device, const PlanOptions& options);

/// Every recipe's plan (and, unless told otherwise, the original's), sorted by the goal, with a
/// recommendation: the best by the goal among those that fit and whose loss, measured or else published, is
/// at most kWorstLoss. `losses` are the measured ones, by recipe.
DevicePlan plan_device(const PlannedModel& model, const std::vector<Recipe>& recipes, const Device& device,
                       const PlanOptions& options, bool with_original = true,
                       const std::map<std::string, MeasuredLoss>& losses = {});
inline constexpr double kWorstLoss = 10;  ///< percent of perplexity

/// "weights 4.21 GB + KV cache 1.07 GB + ... = 6.1 GB of 8.0 GB".
std::string memory_sum_text(const MemoryNeed& need, double available);

}  // namespace halftone
