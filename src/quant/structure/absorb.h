#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quant/structure/channel_map.h"
#include "quant/structure/input_groups.h"

namespace halftone {

/// A constant that takes factors in: index i of `axis` is divided by the factor of channel channels[i]
/// (kNoChannel: stays).
struct Absorber {
  int node = 0;
  int slot = 0;  ///< where the node reads it
  int axis = 0;
  std::vector<int32_t> channels;
};

/// How a value can be divided by one factor a channel without a change to anything else than constants.
struct Absorption {
  std::vector<Absorber> absorbers;
  /// By channel: the lowest of those that must have the same factor. Itself where it is free.
  std::vector<int32_t> tied;
};

/// Looks for the constants before the group's input: weights and biases of the norm or the layer that makes
/// it, found through operators that are linear in each channel (Mul of a gated MLP, attention in its values,
/// reshapes, positive homogeneous activations such as Relu). Nothing where there are none, where somebody
/// else reads the value on the way, or where weights of the group have other readers; `why` says which.
std::optional<Absorption> find_absorption(const Graph& graph, const InputGroup& group, std::string& why);

}  // namespace halftone
