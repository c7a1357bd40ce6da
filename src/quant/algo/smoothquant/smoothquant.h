#pragma once

#include <vector>

#include "quant/algorithm.h"

namespace halftone {

/// SmoothQuant (Xiao et al., arXiv:2211.10438): divides the channels of a layer's input by factors that move
/// large activations into the weights, s = max|X|^alpha / max|W|^(1 - alpha), the weights' maximum over all
/// layers that share the input. Only where a norm or a layer before can take the factors in. Codes are left
/// to the algorithm that follows, or to rounding to nearest.
class SmoothQuant final : public Algorithm {
 public:
  std::string_view name() const override { return "smoothquant"; }
  CalibrationNeeds needs() const override { return {.original_prefix = true}; }
  std::span<const AlgorithmSetting> settings() const override;
  void apply(CalibrationBlock& block, const AlgorithmSettings& settings) const override;
};

/// The factors, by channel; 1 where activation or weights are nothing but zeros, 1e-5 at least.
std::vector<float> smooth_factors(std::span<const float> largest_activation,
                                  std::span<const float> largest_weight, double alpha);

/// By input channel: the largest |w|.
void include_largest_weights(const Tensor& weights, int axis, std::span<float> largest);

}  // namespace halftone
