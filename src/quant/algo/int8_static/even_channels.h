#pragma once

#include <map>
#include <string>
#include <vector>

#include "quant/quantize_graph.h"

namespace halftone {

/// Divides the residual stream of a transformer, that is the sums that a LayerNormalization reads, by a power
/// of two for each channel, so that channels of very different peaks share one scale of codes. Layers whose
/// outputs are added have their rows divided, LayerNormalization shifts the channels back
/// (ShiftedLayerNormalization, after FQ-ViT, arXiv:2111.13824), others read the sum multiplied. The powers
/// are those of the first sum until the noise that they leave is eight times that of powers chosen anew.
///
/// `peaks` are those of residual_sums() (channel_peaks.h). The graph computes what it did. Returns what was
/// done.
std::vector<LayerNote> even_channels(Graph& graph, const std::map<std::string, std::vector<float>>& peaks);

/// Sums of two activations that a LayerNormalization over the last axis reads.
std::vector<ValueId> residual_sums(const Graph& graph);

/// Whole numbers from 0 to 8 by which channels of these peaks are shifted down.
std::vector<int64_t> even_exponents(const std::vector<float>& peaks);
/// The power of the rounding noise in all channels together, but for a factor, when codes of one scale hold
/// channels of these peaks shifted down by these exponents.
double exponent_noise(const std::vector<float>& peaks, const std::vector<int64_t>& exponents);

}  // namespace halftone
