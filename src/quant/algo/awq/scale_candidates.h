#pragma once

#include <span>
#include <vector>

#include "core/tensor.h"

namespace halftone {

/// Factors for the channels of an input, to be tried: s = |X|^r and, with mean weight magnitudes, s = |X|^r /
/// (|W|^(1-r) + 1e-4), for r of 0, 1/20 .. 19/20, each clamped to 1e-4 from below and divided by sqrt(max s *
/// min s) (llm-awq `auto_scale.py`; the second form is AutoAWQ's). Channels whose activations are always 0
/// keep the factor 1: nothing is known of them. The first candidate is all ones.
std::vector<std::vector<float>> awq_candidates(std::span<const float> mean_activation,
                                               std::span<const float> mean_weight);

/// By input channel, the mean over outputs of |w| / (largest |w| of its scale group), joined over layers by
/// add_weights().
class WeightMagnitudes {
 public:
  explicit WeightMagnitudes(int64_t channels) : sums_(static_cast<size_t>(channels)) {}
  /// `weights` as a matrix [outputs, channels] or, with `outputs_last`, [channels, outputs]; a group of
  /// `group` channels has its largest weight for each output.
  void add_weights(const Tensor& weights, bool outputs_last, int64_t group);
  std::vector<float> means() const;

 private:
  std::vector<double> sums_;
  double outputs_ = 0;
};

}  // namespace halftone
