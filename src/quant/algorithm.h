#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quant/calib/calibration.h"

namespace halftone {

/// A number that a recipe may set for an algorithm: "alpha: 0.8". Flags are 0 or 1 (false and true in YAML).
struct AlgorithmSetting {
  std::string_view name;
  double preset;
  double least;
  double most;
  std::string_view help;
};

/// The activations that an algorithm looks at.
struct CalibrationNeeds {
  bool original_prefix = false;   ///< Prefix::original
  bool quantized_prefix = false;  ///< Prefix::quantized
  bool any() const { return original_prefix || quantized_prefix; }
};

/// A way to choose the codes of weights. Algorithms of a recipe's chain run one after the other on a block,
/// then on the next block. They change encodings, constants and equivalent scalings of neighbours, never what
/// the graph computes. Whatever a chain leaves without codes is rounded to nearest.
class Algorithm {
 public:
  virtual ~Algorithm() = default;
  virtual std::string_view name() const = 0;  ///< "rtn"
  virtual CalibrationNeeds needs() const { return {}; }
  virtual std::span<const AlgorithmSetting> settings() const { return {}; }
  /// `settings` holds every one of settings().
  virtual void apply(CalibrationBlock& block, const AlgorithmSettings& settings) const = 0;
};

/// Every algorithm (algorithms.inc), and their names.
std::span<const Algorithm* const> algorithms();
const std::vector<std::string>& algorithm_names();

/// The algorithm of that name, or null.
const Algorithm* find_algorithm(std::string_view name);

/// The presets of an algorithm with what a recipe says in their place. Throws UsageError for an unknown name
/// or a value out of range.
AlgorithmSettings settings_of(const Algorithm& algorithm, const AlgorithmSettings& given);

/// An algorithm with all its settings, ready to be applied.
struct ChainLink {
  const Algorithm* algorithm;
  AlgorithmSettings settings;
};
using AlgorithmChain = std::vector<ChainLink>;

/// The algorithms that a recipe names. Throws what settings_of() throws.
AlgorithmChain make_chain(std::span<const AlgorithmStep> steps);
/// What all algorithms of a chain need together.
CalibrationNeeds needs_of(const AlgorithmChain& chain);

}  // namespace halftone
