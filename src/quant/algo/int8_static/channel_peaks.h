#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "quant/quantize_graph.h"

namespace halftone {

/// The largest magnitude of each channel (index of the last axis) of some values, by name, over the
/// calibration samples; the graph runs as it stands, in f32. InputError for values that are not finite.
std::map<std::string, std::vector<float>> channel_peaks(const Graph& graph, std::span<const ValueId> values,
                                                        const QuantizeOptions& options);

}  // namespace halftone
