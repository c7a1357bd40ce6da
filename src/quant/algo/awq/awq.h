#pragma once

#include "quant/algorithm.h"

namespace halftone {

/// AWQ (Lin et al., arXiv:2306.00978): multiplies the weights of input channels with large activations, and
/// divides the activations in the norm or layer before, so that rounding harms those weights less. Factors
/// are searched for each group of layers that share an input; the loss is taken where the layers' outputs
/// meet (see ScaleGroup). Then clips of the weights are searched, but for queries and keys.
///
/// Activations come from the unquantized model. A recipe whose chain goes on with another way to choose codes
/// turns `clip` off.
class Awq final : public Algorithm {
 public:
  std::string_view name() const override { return "awq"; }
  CalibrationNeeds needs() const override { return {.original_prefix = true}; }
  std::span<const AlgorithmSetting> settings() const override;
  void apply(CalibrationBlock& block, const AlgorithmSettings& settings) const override;
};

}  // namespace halftone
