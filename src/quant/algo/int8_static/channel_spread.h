#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "quant/quantize_graph.h"

namespace halftone {

/// What one channel (index of axis 1) of a value held over the calibration data.
struct ChannelSpread {
  float low = 0, high = 0;  ///< with 0
  double sum = 0, squares = 0, count = 0;

  void include(const ChannelSpread& other);
  double variance() const;
};

/// The channels of `values`, of rank 2 and more, by their names. Those that are not f32 and those inside what
/// the backend fuses are not seen. InputError for one that is not finite.
std::map<std::string, std::vector<ChannelSpread>> observe_channels(const Graph& graph,
                                                                   std::span<const ValueId> values,
                                                                   const QuantizeOptions& options);

}  // namespace halftone
