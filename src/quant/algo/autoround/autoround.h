#pragma once

#include "quant/algorithm.h"

namespace halftone {

/// AutoRound (Cheng et al., "Optimize Weight Rounding via Signed Gradient Descent", arXiv:2309.05516): for
/// all weights of a block together, an offset to each rounding and two factors on the range of each group,
/// learned by sign gradient descent on the block's output error. Inputs come from the quantized prefix,
/// targets from the original model. The rate falls linearly from 1 / iterations to 0, so offsets stay within
/// half a code.
class AutoRound final : public Algorithm {
 public:
  std::string_view name() const override { return "autoround"; }
  CalibrationNeeds needs() const override { return {.original_prefix = true, .quantized_prefix = true}; }
  std::span<const AlgorithmSetting> settings() const override;
  void apply(CalibrationBlock& block, const AlgorithmSettings& settings) const override;
};

}  // namespace halftone
