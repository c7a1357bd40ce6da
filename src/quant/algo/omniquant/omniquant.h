#pragma once

#include "quant/algorithm.h"

namespace halftone {

/// OmniQuant (Shao et al., arXiv:2308.13137): learnable weight clipping, where the ends of each group's range
/// are multiplied by sigmoid(g) and sigmoid(b), both 4 at the beginning, learned by AdamW on the block's
/// output error, together with its learnable equivalent transformation (see LearnedFactors). Inputs come from
/// the quantized prefix, targets from the original model.
class OmniQuant final : public Algorithm {
 public:
  std::string_view name() const override { return "omniquant"; }
  CalibrationNeeds needs() const override { return {.original_prefix = true, .quantized_prefix = true}; }
  std::span<const AlgorithmSetting> settings() const override;
  void apply(CalibrationBlock& block, const AlgorithmSettings& settings) const override;
};

}  // namespace halftone
