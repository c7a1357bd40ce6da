#pragma once

#include <span>
#include <vector>

#include "core/tensor.h"

namespace halftone {

struct ClassScore {
  int label;
  float probability;
};

/// The `most` likeliest classes, best first; equal ones in their order. Scores that are no probabilities
/// already (none negative, one in all) go through softmax.
std::vector<ClassScore> likeliest_classes(std::span<const float> scores, int most);

/// Logarithms of the probabilities, through log-softmax where scores are none yet. A probability of 0 counts
/// as 1e-30.
std::vector<double> log_probabilities(std::span<const float> scores);

/// A classifier's scores among a model's outputs: its first, floating, [1, classes] (axes of 1 aside). Throws
/// UnsupportedError naming what was found.
std::span<const float> class_scores(std::span<const TensorView> outputs);

}  // namespace halftone
