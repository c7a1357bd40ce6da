#pragma once

#include <vector>

#include "graph/graph.h"
#include "graph/passes/pattern.h"
#include "quant/structure/channel_map.h"

namespace halftone {

/// How the output of a layer is divided by one factor a channel.
enum class Divides {
  no,
  weights,  ///< in its weights and its bias: it ends without an activation, or in one that is homogeneous
  product,  ///< in a Mul behind it
};

/// Whether and how; `products`: whether a Mul may stand behind a layer. Its weights and its bias are then
/// constants that nobody else reads, and it adds no residual in front of an activation that is not linear.
Divides divides_output(const Graph& graph, const UseMap& uses, const Node& node, bool products);

/// Whether a convolution can multiply the channels that it reads in its weights: they are floating constants
/// that nobody else reads, of one group, or of one channel a group.
bool multiplies_input(const Graph& graph, const UseMap& uses, const Node& node);

/// Channels (axis 1) of all floating activations of a graph, in classes that must have one factor if
/// every value is divided by one factor a channel: what an operator adds, pools, moves and puts together
/// stays together. Class 0 is of channels that must stay as they are: of the inputs and the outputs of the
/// graph and of whatever an operator that is none of these reads or makes.
class ChannelClasses {
 public:
  ChannelClasses(const Graph& graph, bool products);

  /// The class of each channel of a value; empty where it has no channels, and for all values of a graph that
  /// have too many together.
  std::vector<int32_t> of(ValueId value) const;
  /// Values some of whose channels may be divided.
  std::vector<ValueId> free_values() const;

 private:
  void visit(const Graph& graph, const UseMap& uses, const Node& node, bool products);
  void layer(const Graph& graph, const UseMap& uses, const Node& node, bool products);
  void concat(const Graph& graph, const Node& node);
  bool gather(const Graph& graph, const Node& node);
  /// Channel c of `a` and channel c + `begin` of `whole`.
  void tie(ValueId a, ValueId whole, int64_t begin = 0);
  void fix(ValueId value);
  bool has_channels(ValueId value) const { return count_[static_cast<size_t>(value)] > 0; }
  int64_t count(ValueId value) const { return count_[static_cast<size_t>(value)]; }
  int32_t at(ValueId value, int64_t channel) const {
    return first_[static_cast<size_t>(value)] + static_cast<int32_t>(channel);
  }

  std::vector<int32_t> first_, count_;  ///< by value
  ChannelTies ties_;
};

}  // namespace halftone
