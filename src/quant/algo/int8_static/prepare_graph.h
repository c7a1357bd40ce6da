#pragma once

#include "graph/graph.h"
#include "quant/quantize_graph.h"

namespace halftone {

/// Rewrites a graph as a recipe of static activations asks for, before anything is quantized:
///
/// - integer_only: a constant beside activations in Add, Mul and Concat comes from an Identity, which
///   gives its codes.
/// - polynomial_gelu: Gelu(x) takes erf by a polynomial.
/// - log2_softmax: Attention has weights that are powers of two.
/// - twin_gelu: a linear layer of W that alone reads Gelu(x) = y becomes
///     W max(y, 0) + (W min(y, 0) + bias),
///   so that either half has a scale of its own: the negative numbers of a Gelu lie within 0.17 of 0.
/// - otherwise, under floating requantization: activations behind linear layers become these layers' own.
///
/// Returns how many places it changed.
int prepare_static_graph(Graph& graph, const StaticActivations& recipe);

/// Before that, for integer_only and with calibration data: hidden units far larger than the others get
/// layers of their own (part_outlier_units.h). Units of layers below `minimum_elements` would not be
/// quantized. Returns what was done.
std::vector<LayerNote> part_outliers(Graph& graph, const QuantizeOptions& options, int64_t minimum_elements);

}  // namespace halftone
