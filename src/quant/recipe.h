#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "quant/calib/range_observer.h"
#include "scheme/encoding.h"
#include "scheme/requantize.h"

namespace halftone {

/// What is to become of the layers whose names match: nodes with constant weights (Gemm, MatMul, Conv).
struct RecipeRule {
  std::vector<std::string> match = {"*"};  ///< glob patterns on node names ("*.mlp.*"); one is enough
  std::optional<Encoding> weights;         ///< none: the weights stay as they are
  std::optional<Encoding> activations;     ///< of the layer's input, on this use; none: as it comes

  bool matches(std::string_view layer) const;
};

/// What a recipe sets for an algorithm, by name ("alpha" -> 0.8); flags are 0 or 1.
using AlgorithmSettings = std::map<std::string, double, std::less<>>;

/// One algorithm of a chain.
struct AlgorithmStep {
  std::string name;
  AlgorithmSettings settings{};  ///< only those that differ from the presets

  friend bool operator==(const AlgorithmStep&, const AlgorithmStep&) = default;
};

/// Activations between layers as codes of scales found ahead on calibration data (algo/int8_static/).
struct StaticActivations {
  ObserverOptions observer;
  bool symmetric = false;  ///< as many codes above as below 0
  Requantization requantization = Requantization::floating;
  /// Layers that run faster in floating point on this machine stay there.
  bool measure = true;
  /// The noisiest layers stay floating, up to this share of all multiply-adds (0: none does).
  double floating_share = 0.15;
  /// ... until the noise of the others adds up to less than this at the ends of the model, in decibels below
  /// the signal (algo/int8_static/end_noise.h).
  double noise = 20;
  /// Channels of values between convolutions are divided by a factor each (algo/int8_static/even_channels.h).
  bool even_channels = true;
  /// No floating point between input and output: LayerNormalization, Softmax and Attention too compute in
  /// integers (I-BERT), sums end by fixed-point multipliers, nothing stays floating.
  bool integer_only = false;
  /// Attention on codes whose weights are powers of two, 4 bits (FQ-ViT).
  bool log2_softmax = false;
  /// What follows a Gelu reads its negative and its positive part under a scale each (PTQ4ViT).
  bool twin_gelu = false;
  /// Gelu takes erf by I-BERT's polynomial. Its table on codes is exact otherwise.
  bool polynomial_gelu = false;

  friend bool operator==(const StaticActivations&, const StaticActivations&) = default;
};

/// How a model is to be quantized. docs/formats/recipe.md has the whole story.
struct Recipe {
  std::string name;
  std::vector<RecipeRule> rules;                      ///< the first that matches a layer decides
  std::vector<AlgorithmStep> algorithms = {{"rtn"}};  ///< run one after the other, block by block
  /// Encoding of a table that is both a token embedding and the weights of a layer (tied); none: it stays as
  /// it is. Rows of an embedding are read one by one and every answer passes through the projection, so
  /// recipes of few bits keep the pair at 8.
  std::optional<Encoding> tied;
  /// Weights in another floating type and no codes at all (cast_weights.h); rules and algorithms are empty
  /// then.
  std::optional<DType> floating{};
  /// Static activation codes, set when the algorithms are done.
  std::optional<StaticActivations> static_activations{};
  /// Smaller weights stay as they are.
  int64_t minimum_elements = 1024;
};

/// The recipe of that name. Throws UsageError for an unknown one, with the nearest.
Recipe find_recipe(std::string_view name);

/// All names that find_recipe() knows, in the order in which they are listed.
const std::vector<std::string>& recipe_names();

/// The same names in one line, for --help.
std::string_view recipe_names_in_short();

/// A YAML recipe. `source` names the text in errors. Throws InputError with the line.
Recipe parse_recipe(const std::string& text, const std::string& source);
Recipe load_recipe(const fs::path& path);

/// What a --recipe flag names: a file when it ends in .yaml or .yml, else one of recipe_names().
Recipe recipe_from_flag(const std::string& flag);

}  // namespace halftone
