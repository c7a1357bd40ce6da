#pragma once

#include <vector>

#include "quant/algo/int8_static/integer_plan.h"

namespace halftone {

/// Which groups of a plan have codes of 16 bits: the stream of a transformer, which every residual adds to
/// and only LayerNormalization reads, and what is added to it. In 8 bits each of its sums rounds again, to
/// steps as large as its widest channel asks for; in 16 nothing is lost (I-BERT keeps 32, arXiv:2101.01321,
/// section 3.6).
///
/// A group is wide if all that reads it are LayerNormalizations, Adds whose sum is wide and moves within the
/// group, and all that makes it are Adds, layers without activation, moves within it, or floating. So the
/// sums of a CNN, which convolutions read, stay in 8 bits.
std::vector<bool> wide_groups(const Graph& graph, const IntegerPlan& plan);

}  // namespace halftone
