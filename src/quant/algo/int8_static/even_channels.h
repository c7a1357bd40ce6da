#pragma once

#include "quant/quantize_graph.h"

namespace halftone {

/// Divides the channels of values between convolutions by one factor each, so that all of them fill the codes
/// that one scale will give the value; the convolutions that read it multiply their weights. The graph
/// computes what it did. What a layer with SiLU makes is divided by a Mul behind it (`products`; otherwise
/// such values stay as they are), other layers divide in their weights and biases.
///
/// The factors: even_factors.h. (Scales a channel as Krishnamoorthi, arXiv:1806.08342, has them for weights,
/// for activations: a sum over channels takes them where they are multiplied into weights; equalization as
/// Nagel et al., arXiv:1906.04721, have it, beyond homogeneous activations.)
///
/// Runs the graph over all calibration data where anything can be divided. InputError for values that are not
/// finite.
std::vector<LayerNote> even_out_channels(Graph& graph, bool products, const QuantizeOptions& options);

/// The same by factors that are known. InputError for a layer that the graph has not, or that cannot be
/// divided so, and for factors that are not positive, or not one a channel.
void even_out_channels(Graph& graph, bool products, const EvenFactors& known);

/// What the layers of a graph were divided by: their attribute even_channels.
EvenFactors even_factors(const Graph& graph);

/// Products by one constant a channel that only convolutions with floating weights read go into these
/// weights. Returns how many.
int fold_idle_products(Graph& graph);

}  // namespace halftone
