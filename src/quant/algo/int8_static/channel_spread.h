#pragma once

#include <map>
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

/// By the name of each floating activation of rank 2 and more: its channels. Values inside what the backend
/// fuses are not seen. InputError for values that are not finite.
std::map<std::string, std::vector<ChannelSpread>> observe_channels_of_values(const Graph& graph,
                                                                             const QuantizeOptions& options);

}  // namespace halftone
