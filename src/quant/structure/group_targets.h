#pragma once

#include <vector>

#include "quant/calib/calibration.h"
#include "quant/structure/scale_groups.h"

namespace halftone {

/// The target whose weights node `layer` of block.graph multiplies with, or null.
const QuantTarget* target_of(const CalibrationBlock& block, int layer);

/// The first of the group's targets, as a position in block.original(): for notes.
int first_target(const CalibrationBlock& block, const ScaleGroup& group);

/// The block's groups of layers with at least one target, first to last. Groups whose absorption would touch
/// a constant of other blocks have none (`obstacle` tells).
std::vector<ScaleGroup> target_groups(const CalibrationBlock& block);

/// A copy whose layers take their activations as they come.
Graph without_activation_encodings(const Graph& graph);

/// What the channels of a group's input look like over all samples, activations in floating point.
struct ChannelStatistics {
  std::vector<float> mean_magnitude;
  std::vector<float> largest_magnitude;
};
ChannelStatistics observe_channels(const CalibrationBlock& block, const Activations& from,
                                   const ScaleGroup& group);

}  // namespace halftone
