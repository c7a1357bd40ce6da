#include "graph/passes/lower_codes.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "graph/passes/pattern.h"
#include "graph/static_codes.h"

namespace halftone {
namespace {

using Codes = std::optional<CodeScale>;

/// Makes the conversions of one graph, each once.
class Conversions {
 public:
  explicit Conversions(Graph& graph) : graph_(graph) {}

  /// `value` under another storage: an earlier conversion, or a new node right before the next.
  ValueId convert(ValueId value, const Storage& storage) {
    std::map<Key, ValueId>& made = made_[value];
    const auto [at, fresh] = made.try_emplace(key(storage), kNoValue);
    if (!fresh) return at->second;
    std::string name = fmt::format("{}/{}", graph_.value(value).name, storage.codes ? "codes" : "floats");
    if (made.size() > 1) name += fmt::format(".{}", made.size() - 1);
    const ValueId id = graph_.add_value(name, graph_.value(value).type);
    graph_.value(id).storage = storage;
    at->second = id;
    Node node;
    node.schema = find_op("Identity");
    node.name = name;
    node.inputs = {value};
    node.outputs = {id};
    pending_.push_back(std::move(node));
    return id;
  }
  std::vector<Node> take() { return std::exchange(pending_, {}); }

 private:
  using Key = std::tuple<Storage::Order, bool, float, uint16_t>;
  static Key key(const Storage& storage) {
    const CodeScale codes = storage.codes.value_or(CodeScale{});
    return {storage.order, storage.codes.has_value(), codes.scale, codes.zero};
  }

  Graph& graph_;
  std::map<ValueId, std::map<Key, ValueId>> made_;
  std::vector<Node> pending_;
};

/// Whether the integer kernels of a node read channels-last values only.
bool reads_channels_last(const Graph& graph, const Node& node) {
  return node.schema->name == "Conv" &&
         graph.value(node.outputs[0]).storage.order == Storage::Order::channels_last;
}

/// Graph outputs are plain: another value takes over what is stored otherwise, and the output is its copy.
void make_outputs_plain(Graph& graph, std::vector<Node>& nodes) {
  Replacements inner_of(graph);
  std::vector<Node> copies;
  for (ValueId output : graph.outputs()) {
    const Storage storage = graph.value(output).storage;
    if (storage.plain()) continue;
    const std::string name = graph.value(output).name;
    const ValueId inner = graph.add_value(name + "/stored", ValueType(graph.value(output).type));
    graph.value(inner).storage = storage;
    graph.value(output).storage = {};
    inner_of.add(output, inner);
    Node copy;
    copy.schema = find_op("Identity");
    copy.name = name + "/plain";
    copy.inputs = {inner};
    copy.outputs = {output};
    copies.push_back(std::move(copy));
  }
  inner_of.rename(nodes);
  std::ranges::move(copies, std::back_inserter(nodes));
}

}  // namespace

bool has_static_encodings(const Graph& graph) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(), has_static_codes);
}

int lower_codes(Graph& graph) {
  if (!has_static_encodings(graph)) return 0;
  Conversions conversions(graph);
  std::vector<Node> lowered;
  std::vector<Node> nodes = std::exchange(graph.nodes(), {});
  for (Node& node : nodes) {
    const bool alias = node.schema->alias;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId input = node.inputs[i];
      if (input == kNoValue || graph.value(input).constant) continue;
      const Storage& stored = graph.value(input).storage;
      Storage wanted{stored.order, codes_in(node, i)};
      if (alias && i == 0 && !wanted.codes) wanted.codes = stored.codes;
      if (wanted.codes && reads_channels_last(graph, node)) wanted.order = Storage::Order::channels_last;
      if (wanted != stored) node.inputs[i] = conversions.convert(input, wanted);
    }
    for (Node& conversion : conversions.take()) lowered.push_back(std::move(conversion));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      Storage& storage = graph.value(node.outputs[i]).storage;
      storage.codes = codes_out(node, i);
      if (alias && i == 0) storage.codes = graph.value(node.inputs[0]).storage.codes;
    }
    if (has_static_codes(node)) forget_static_codes(node);
    lowered.push_back(std::move(node));
  }
  make_outputs_plain(graph, lowered);
  graph.nodes() = std::move(lowered);
  return static_cast<int>(std::count_if(graph.values().begin(), graph.values().end(),
                                        [](const Value& value) { return value.storage.codes.has_value(); }));
}

}  // namespace halftone
