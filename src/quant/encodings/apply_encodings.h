#pragma once

#include <set>
#include <string>
#include <vector>

#include "quant/encodings/encoding_file.h"

namespace halftone {

/// Every name in a graph: what an encodings file may speak of.
std::set<std::string> value_names(const Graph& graph);

/// What came of a file's entries.
struct AppliedEncodings {
  int activations = 0, parameters = 0;
  std::vector<std::string> unused;   ///< names that the graph once had, but no integer layer reads or makes
  std::vector<std::string> unnamed;  ///< values in codes that the file says nothing of
};

/// Puts the encodings of a file in the place of those that a recipe set: scales of values in codes, and the
/// weights of quantized layers rounded anew under the file's scales. Operators that only move numbers go on
/// sharing one scale: what is said of one of their values is said of all. `known` are names that are no
/// mistake though the graph has them no longer (fused layers).
///
/// Throws InputError for unknown names, with the nearest, for values of one scale that are given two, for as
/// many scales as a weight has no outputs, and for weights that are not finite; UnsupportedError for
/// activations of other than 8 bits (16 where the graph has them) and weights of more.
AppliedEncodings apply_encodings(Graph& graph, const EncodingFile& file, const std::set<std::string>& known);

}  // namespace halftone
