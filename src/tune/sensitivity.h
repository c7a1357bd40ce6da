#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eval/layer_compare.h"
#include "quant/recipe.h"

namespace halftone {

/// What happens to a model when one layer (or one block) of it is quantized and nothing else.
struct Sensitivity {
  std::string name;           ///< of the layer, or of the block
  std::string weights;        ///< encoding of its weights
  double bytes_saved = 0;     ///< by this layer or block
  Closeness output;           ///< of the layer's (or the block's last layer's) own output
  Closeness model_output;     ///< of what the model gives out
  std::optional<double> kld;  ///< mean KL divergence of the next-token distributions, nats; LLMs only
  std::optional<double> top1_agreement;  ///< share of rows whose likeliest token stays the same; LLMs only
};

struct SensitivityOptions {
  bool by_block = false;
  const Backend* backend = nullptr;
  ThreadPool* threads = nullptr;
  size_t memory = size_t{2} << 30;
  std::function<void(int done, int total)> progress{};
};

/// Quantizes each target of the recipe alone, rounded to nearest, with the recipe's encoding of activations
/// on its uses, and runs the model over the samples from the block that holds it. The graph is unquantized.
/// Rows of the model's first output are taken as logits where `logits` says so.
std::vector<Sensitivity> measure_sensitivity(const Graph& graph, const Recipe& recipe,
                                             const CalibrationData& data, bool logits,
                                             const SensitivityOptions& options);

}  // namespace halftone
