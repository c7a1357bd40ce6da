#pragma once

#include "quant/algorithm.h"

namespace halftone {

/// AdaRound (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", arXiv:2004.10568),
/// over blocks as in BRECQ (Li et al., arXiv:2102.05426): each weight is rounded down plus h(a), h = clip(1.2
/// sigmoid(a) - 0.1, 0, 1), and a penalty drives h to 0 or 1. Scales are those of rounding to nearest.
/// Minimised by Adam:
///   sum of squares over channels, mean over positions, of the block's output error
///   + strength * sum over weights of 1 - |2 h - 1|^b, b from 20 to 2 by cosine, nothing in the first fifth.
/// Inputs come from the quantized prefix, targets from the original model.
class AdaRound final : public Algorithm {
 public:
  std::string_view name() const override { return "adaround"; }
  CalibrationNeeds needs() const override { return {.original_prefix = true, .quantized_prefix = true}; }
  std::span<const AlgorithmSetting> settings() const override;
  void apply(CalibrationBlock& block, const AlgorithmSettings& settings) const override;
};

}  // namespace halftone
