#pragma once

#include <string>
#include <vector>

#include "graph/code_operators.h"
#include "graph/graph.h"

namespace halftone {

/// What becomes of one node under static int8.
struct IntegerNode {
  bool integer = false;  ///< reads codes; otherwise it stays floating
  std::string reason;    ///< why it stays floating; empty for integer nodes
};

/// Which nodes compute on codes and which values share a scale, found from the structure of a graph.
///
/// - A layer is an integer node if its weights are quantized (`layers`, by node).
/// - An operator that can work on codes (adds, multiplies, pools, moves, maps) is one if what it makes
/// reaches
///   such a layer through operators of its kind. So the end of a detector stays floating: the decoding, the
///   sigmoid of the scores and the last Concat reach no layer, and boxes and scores never share a scale; and
///   so does whatever lies between floating operators (Softmax, LayerNormalization).
/// - Operators that only move or select numbers (Concat, MaxPool, Resize, ...) share one scale among their
///   inputs and outputs, so that codes are copied and not converted. But an input of Concat that others read
///   on codes too keeps a scale of its own, for it may be far finer, and Concat reads it converted.
struct IntegerPlan {
  std::vector<IntegerNode> nodes;  ///< by node
  /// By value: the scale group of values that integer nodes read or write, -1 elsewhere.
  std::vector<int> group;
  int groups = 0;
  /// By group: codes of 16 bits (wide_groups.h).
  std::vector<bool> wide;
  /// By value: stored as codes by its maker (an integer node with an integer reader).
  std::vector<bool> stored;

  /// The value whose scale integer node `node` reads its input `i` under.
  ValueId scale_of(const Node& node, size_t i) const;
  /// Whether integer node `node` reads its input `i` as codes.
  bool reads_codes(const Graph& graph, const Node& node, size_t i) const;
};

/// What computes in integers beyond that.
struct IntegerWishes {
  bool all = false;        ///< whatever can, up to the outputs of the graph; streams of residuals wide
  bool attention = false;  ///< Attention between integer layers
  /// By value: why no scale covers it ("reaches -3.4e+38"), empty where one does. What reads or makes such a
  /// value stays floating. None given: all have scales.
  std::vector<std::string> unscalable = {};
};

/// `layers[n]`: whether node n is a layer with quantized weights that computes in integers.
IntegerPlan plan_integers(const Graph& graph, const std::vector<bool>& layers,
                          const IntegerWishes& wishes = {});

/// Names of nodes that compute on floating numbers under the plan; what depends on constants alone does not
/// count.
std::vector<std::string> floating_nodes(const Graph& graph, const IntegerPlan& plan);

}  // namespace halftone
