#pragma once

#include <span>
#include <vector>

#include "quant/structure/scale_groups.h"

namespace halftone {

/// A floating constant with index i of `axis` multiplied by factors[i], computed when it is loaded, so that
/// a model with factors costs no more memory than one without. f32, or `dtype` where one is given.
Constant scaled_constant(const Constant& constant, int axis, std::vector<float> factors,
                         DType dtype = DType::f32);

/// By channel, numbers of which tied channels all get the largest among them.
std::vector<float> join_tied(const Absorption& absorption, std::span<const float> by_channel);

/// Divides the group's input by one factor a channel, in its absorbers, and multiplies the weights of its
/// layers: the graph computes what it did. Factors must be positive, and equal where they are tied (an
/// assert).
void divide_channels(Graph& graph, const ScaleGroup& group, std::span<const float> factors);

/// The weights of one layer of the group, their input channels multiplied.
Constant multiply_channels(const Graph& graph, int layer, std::span<const float> factors);

}  // namespace halftone
