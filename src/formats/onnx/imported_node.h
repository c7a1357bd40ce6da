#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace halftone {

/// A node of an ONNX file on its way into a graph: inputs found, attributes read.
struct ImportedNode {
  std::string name;
  std::string op;
  int64_t opset = 0;  ///< the version of its operator set
  std::vector<ValueId> inputs;
  Attributes attributes;
  std::optional<Tensor>
      tensor;  ///< the attribute "value", of the few operators that have one that is a tensor
  size_t outputs = 1;

  bool has_input(size_t i) const { return i < inputs.size() && inputs[i] != kNoValue; }
};

/// Appends nodes to a graph that is being imported. Small results of constants are computed at once, so that
/// the shapes that depend on them are known.
class NodeAppender {
 public:
  explicit NodeAppender(Graph& graph) : graph_(graph) {}

  /// The node as it is: its operator must be one that Halftone has. Throws InputError when it does not fit,
  /// UnsupportedError when there is no such operator.
  std::vector<ValueId> append(ImportedNode node);

  // For rewriting `node`: something before it, named after it.
  ValueId append_before(const ImportedNode& node, std::string_view op, std::vector<ValueId> inputs,
                        Attributes attributes = {});
  ValueId constant(const ImportedNode& node, std::string_view what, const Tensor& tensor);

  const ValueType& type(ValueId value) const { return graph_.value(value).type; }

  bool is_false(ValueId value) const;  ///< whether it is the constant false

  /// `wanted`, or with a number behind it where that is taken. Taken from then on.
  std::string unique_name(const std::string& wanted);

 private:
  void fold_last(const std::vector<ValueId>& outputs);

  Graph& graph_;
  std::set<std::string> names_;
  std::map<std::string, int> last_number_;  ///< behind each name that was wanted twice
};

}  // namespace halftone
