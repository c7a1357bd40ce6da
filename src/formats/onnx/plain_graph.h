#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "ops/fused_activation.h"

namespace halftone {

/// A graph of ONNX's own operators in the making. Names of nodes are kept apart from each other and from
/// those reserved.
class PlainGraph {
 public:
  Graph graph;

  void reserve(const std::string& name) { names_.insert(name); }
  /// NAME, or NAME_1 where that is taken; taken from then on.
  std::string unique(const std::string& name);
  /// A node of one output: the value, named NAME like the node, or NAME_1 where that is taken.
  ValueId node(std::string_view op, const std::string& name, std::vector<ValueId> inputs,
               Attributes attributes = {});
  std::vector<ValueId> nodes(const OpSchema& schema, const std::string& name, std::vector<ValueId> inputs,
                             Attributes attributes, size_t outputs);
  ValueId constant(const std::string& name, const Tensor& tensor);
  ValueId number(const std::string& name, float value);  ///< a floating scalar
  ValueId integers(const std::string& name, const std::vector<int64_t>& values);

  const ValueType& type(ValueId value) const { return graph.value(value).type; }

 private:
  std::set<std::string> names_;
};

/// y = activation(x).
ValueId spell_activation(PlainGraph& to, const std::string& name, const FusedActivation& activation,
                         ValueId x);

/// A node whose operator, or its use, ONNX has not (or only since a set that few tools read), in operators
/// that it has: Attention without caches, GatedActivation, Swish, Gemm over more dimensions than two.
/// `inputs` are values of `to`. kNoValue where the node may stay as it is. Throws UnsupportedError for what
/// has no spelling.
ValueId spell_out(PlainGraph& to, const OpSite& site, const std::vector<ValueId>& inputs);

}  // namespace halftone
