#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "formats/onnx/onnx_model.h"

namespace halftone {

/// A node with the version of the operator set that it is written in.
struct VersionedNode {
  OnnxNode node;
  int64_t opset = 0;
};

/// The nodes of `graph`, of the model itself or inside it, with each call of a local function replaced by the
/// function's own nodes, renamed.
///
/// `made_names` keeps the names that this makes, none twice; nodes look into it. Throws InputError for
/// functions that call themselves, and for models that unfold to more than a million nodes or calls, or to
/// 2^27 numbers in lists; UnsupportedError for a graph inside a function.
std::vector<VersionedNode> inline_functions(const OnnxModel& model, const OnnxGraph& graph,
                                            const std::string& source, std::deque<std::string>& made_names);

}  // namespace halftone
