#include <algorithm>

#include "graph/code_operators.h"
#include "graph/passes/pass.h"
#include "graph/passes/quantized_nodes.h"
#include "graph/static_codes.h"

namespace halftone {
namespace {

using Codes = std::optional<CodeScale>;

/// A QuantizeLinear that only DequantizeLinears of the same codes read.
struct Pair {
  size_t quantize;
  std::vector<size_t> dequantize;
  CodeScale codes;
  bool absorbed = false;  ///< what makes its input gives the codes itself
};

bool is_linear_resize(const Node& node) {
  return node.schema->name == "Resize" && node.attributes.get_string("mode", "nearest") != "nearest";
}

class Recognition {
 public:
  explicit Recognition(Graph& graph)
      : graph_(graph),
        uses_(graph),
        users_(graph.users()),
        coded_(graph.values().size()),
        pair_of_(graph.values().size(), -1) {}

  int run() {
    find_pairs();
    if (pairs_.empty()) return 0;
    for (Node& node : graph_.nodes()) encode(node);
    replace();
    return static_cast<int>(pairs_.size());
  }

 private:
  Codes& coded(ValueId value) { return coded_[static_cast<size_t>(value)]; }

  void find_pairs() {
    for (size_t n = 0; n < graph_.nodes().size(); ++n) {
      const Node& node = graph_.nodes()[n];
      if (node.schema->name != "QuantizeLinear" || !is_float_activation(graph_, node.inputs[0])) continue;
      const Codes codes = linear_codes(graph_, node);
      const auto& readers = users_[static_cast<size_t>(node.outputs[0])];
      if (!codes || uses_.is_output(node.outputs[0]) || readers.empty() ||
          !std::ranges::all_of(readers, [&](int reader) {
            const Node& other = graph_.nodes()[static_cast<size_t>(reader)];
            return other.schema->name == "DequantizeLinear" && linear_codes(graph_, other) == codes;
          }))
        continue;
      Pair pair{n, {readers.begin(), readers.end()}, *codes};
      for (size_t reader : pair.dequantize) coded(graph_.nodes()[reader].outputs[0]) = codes;
      if (uses_.only_feeds_one(node.inputs[0]))
        pair_of_[static_cast<size_t>(node.inputs[0])] = static_cast<int>(pairs_.size());
      pairs_.push_back(std::move(pair));
    }
  }

  /// The codes to which `value` goes and nowhere else.
  Codes quantized(ValueId value) const {
    const int pair = pair_of_[static_cast<size_t>(value)];
    return pair < 0 ? std::nullopt : Codes(pairs_[static_cast<size_t>(pair)].codes);
  }
  void absorb(ValueId value) {
    pairs_[static_cast<size_t>(pair_of_[static_cast<size_t>(value)])].absorbed = true;
  }

  bool reads_codes_only(const Node& node) {
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (carries_numbers(node, i) && node.inputs[i] != kNoValue && !coded(node.inputs[i])) return false;
    return true;
  }
  void read_codes(Node& node) {
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (carries_numbers(node, i) && node.inputs[i] != kNoValue)
        set_codes_in(node, i, *coded(node.inputs[i]));
  }
  void make_codes(Node& node) {
    set_codes_out(node, 0, *quantized(node.outputs[0]));
    absorb(node.outputs[0]);
  }

  /// Gives a node that has integer arithmetic the codes that it reads and makes.
  void encode(Node& node) {
    if (!reads_codes_only(node) || has_static_codes(node)) return;
    const std::string_view op = node.schema->name;
    if (op == "Conv" || op == "Gemm" || op == "MatMul") {
      const auto& weights = graph_.value(node.inputs[1]).constant;
      if (!weights || !weights->encoding()) return;
      read_codes(node);
      if (quantized(node.outputs[0])) make_codes(node);
    } else if (works_on_codes(graph_, node)) {
      if (moves_numbers(node) && !is_linear_resize(node)) return move_codes(node);
      const bool broadcast = carries_numbers(node, 1) &&
                             !(graph_.value(node.inputs[0]).type == graph_.value(node.inputs[1]).type);
      if (!quantized(node.outputs[0]) || broadcast) return;
      read_codes(node);
      make_codes(node);
    }
  }

  /// What only moves numbers works on the codes that it makes, or else on those that it is given.
  void move_codes(Node& node) {
    Codes codes = quantized(node.outputs[0]);
    const bool all = codes && std::ranges::all_of(node.outputs,
                                                  [&](ValueId output) { return quantized(output) == codes; });
    if (!all) {
      codes = coded(node.inputs[0]);
      for (size_t i = 1; i < node.inputs.size(); ++i)
        if (carries_numbers(node, i) && coded(node.inputs[i]) != codes) return;
    }
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (carries_numbers(node, i) && node.inputs[i] != kNoValue) set_codes_in(node, i, *codes);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      set_codes_out(node, i, *codes);
      coded(node.outputs[i]) = codes;
      if (all) absorb(node.outputs[i]);
    }
  }

  /// Whoever reads the numbers of a pair rounds them to its codes itself.
  bool readers_round(const Pair& pair) const {
    return std::ranges::all_of(pair.dequantize, [&](size_t n) {
      const ValueId value = graph_.nodes()[n].outputs[0];
      return !uses_.is_output(value) &&
             std::ranges::all_of(users_[static_cast<size_t>(value)], [&](int user) {
               const Node& reader = graph_.nodes()[static_cast<size_t>(user)];
               for (size_t i = 0; i < reader.inputs.size(); ++i)
                 if (reader.inputs[i] == value && codes_in(reader, i) != pair.codes) return false;
               return true;
             });
    });
  }

  /// A pair that neither what makes its numbers nor what reads them stands for becomes an Identity that reads
  /// codes; the others go.
  void replace() {
    std::vector<bool> gone(graph_.nodes().size());
    Replacements replaced(graph_);
    for (const Pair& pair : pairs_) {
      Node& node = graph_.nodes()[pair.quantize];
      ValueId value = replaced(node.inputs[0]);
      const bool goes = pair.absorbed || readers_round(pair);
      if (!goes) {
        value = graph_.nodes()[pair.dequantize[0]].outputs[0];
        node = {find_op("Identity"), node.name, {node.inputs[0]}, {value}, {}, {}};
        set_codes_in(node, 0, pair.codes);
      }
      gone[pair.quantize] = goes;
      for (size_t n : pair.dequantize) {
        gone[n] = true;
        replaced.add(graph_.nodes()[n].outputs[0], value);
      }
    }
    replaced.apply(graph_);
    graph_.remove_nodes(gone);
  }

  Graph& graph_;
  const UseMap uses_;
  const std::vector<std::vector<int>> users_;
  std::vector<Codes> coded_;  ///< by value: the codes that its numbers come from
  std::vector<int> pair_of_;  ///< by value: the pair that alone reads it
  std::vector<Pair> pairs_;
};

}  // namespace

/// QuantizeLinear and DequantizeLinear of the same codes -> static encodings (graph/static_codes.h) on the
/// nodes around them that compute on codes, an Identity that rounds elsewhere.
int recognise_codes(Graph& graph) {
  return Recognition(graph).run();
}

}  // namespace halftone
