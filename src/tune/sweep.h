#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "eval/perplexity.h"
#include "eval/speed.h"
#include "quant/quantize_graph.h"

namespace halftone {

/// What is measured of every variant of a model.
struct SweepOptions {
  EngineOptions engine;
  std::vector<std::span<const TokenId>> windows;  ///< of the text that perplexity and divergence are taken on
  int prompt_tokens = 128;                        ///< length of the prefill that is timed
  int generated_tokens = 32;                      ///< tokens of the decoding that is timed
  int repetitions = 3;
  bool speed = true;           ///< time the rows; else only accuracy is measured
  QuantizeOptions quantize{};  ///< samples for recipes that calibrate
  /// Called as rows proceed: the scheme and what is being measured.
  std::function<void(const std::string& scheme, const std::string& stage)> progress;
};

/// A row to be measured: a recipe and how its activations are computed.
struct SweepVariant {
  std::string label;  ///< empty: the recipe's name
  Recipe recipe;
  /// Floating activations where the recipe has none, in place of the fast path's own int8.
  bool as_written = false;
};

/// The rows that the field quotes: weights alone and with activations, each granularity, then the algorithms
/// at four bits in groups of 128. Without `calibrated`, those that need no samples.
std::vector<SweepVariant> field_table(bool calibrated);

/// One line of the table that the field quotes.
struct SweepRow {
  std::string scheme;             ///< recipe, or "original"
  std::string weights;            ///< encoding of most layers' weights: "int4 g32", "bf16"
  std::string weight_scales;      ///< "per channel", "per block", "per tensor"
  std::string activation_scales;  ///< "per token", ...; empty: floating
  int64_t block = 0;              ///< weights (or activations) of one scale; 0: no blocks
  bool dynamic = false;           ///< activations are measured as the model runs
  std::string activations;        ///< encoding of most layers' inputs as run: "int8 per-token dynamic", "f32"
  double bytes = 0;               ///< of all trained constants as stored
  double bits_per_weight = 0;     ///< the same over their number of elements
  double perplexity = 0;
  double loss_percent = 0;  ///< of perplexity against the original's
  double kld = 0;           ///< mean KL divergence from the original, nats a token
  double top1_agreement = 0;
  double prefill_tokens_per_s = 0;
  double decode_tokens_per_s = 0;
  /// Layers whose weights run on a fast kernel; the others are computed by the scalar reference.
  int fast_layers = 0;
  int layers = 0;
  std::vector<std::string> fallbacks{};  ///< what quantizing did in another way than asked, by layer
};

/// Whether quantizing by a recipe takes samples.
bool needs_calibration(const Recipe& recipe);

/// Measures the model as it is and under each recipe, one after the other, each against the original in the
/// same run. `make_graph` builds the unquantized graph anew.
std::vector<SweepRow> sweep(const std::function<Graph()>& make_graph, std::span<const SweepVariant> variants,
                            const SweepOptions& options, ThreadPool& threads);

}  // namespace halftone
