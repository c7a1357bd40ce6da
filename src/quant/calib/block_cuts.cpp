#include "quant/calib/block_cuts.h"

#include <algorithm>

#include "base/error.h"
#include "graph/concretize.h"

namespace halftone {
namespace {

/// Longest run of pieces that is looked for as a repeated pattern.
constexpr size_t kMaxPeriod = 8;

/// For each value the first position at which it lives and the last node that reads it (the end for graph
/// outputs); first > last where it never has to be kept.
struct Life {
  int first = 0;
  int last = -1;
};

std::vector<Life> lives(const Graph& graph) {
  std::vector<Life> lives(graph.values().size());
  const int end = static_cast<int>(graph.nodes().size());
  for (int n = 0; n < end; ++n) {
    const Node& node = graph.nodes()[static_cast<size_t>(n)];
    for (ValueId input : node.inputs)
      if (input != kNoValue) lives[static_cast<size_t>(input)].last = n;
    for (ValueId output : node.outputs)
      if (output != kNoValue) lives[static_cast<size_t>(output)].first = n + 1;
  }
  for (ValueId output : graph.outputs()) lives[static_cast<size_t>(output)].last = end;
  for (size_t i = 0; i < lives.size(); ++i) {
    const Value& value = graph.values()[i];
    if (value.constant || value.type.dtype == DType::state) lives[i].last = -1;
  }
  // What comes from constants alone is made again wherever it is read.
  for (const Node& node : graph.nodes()) {
    const bool constant = std::ranges::all_of(node.inputs, [&](ValueId input) {
      return input == kNoValue || graph.value(input).constant.has_value();
    });
    for (ValueId output : node.outputs)
      if (constant && output != kNoValue && std::ranges::count(graph.outputs(), output) == 0)
        lives[static_cast<size_t>(output)].last = -1;
  }
  return lives;
}

/// Sizes of the graph's symbols, read off the sample; 1 for those that it does not tell.
std::vector<int64_t> sizes_of(const Graph& graph, const std::map<std::string, Tensor>& sample) {
  std::vector<int64_t> sizes(graph.symbols().size(), 1);
  for (ValueId id : graph.inputs()) {
    const Value& value = graph.value(id);
    const auto given = sample.find(value.name);
    if (given == sample.end()) continue;
    const Shape& found = given->second.shape();
    for (int axis = 0; axis < std::min(found.rank(), value.type.shape.rank()); ++axis)
      if (value.type.shape[axis] < Shape::kUnknownDim)
        sizes[static_cast<size_t>(Shape::dim_symbol(value.type.shape[axis]))] = found[axis];
  }
  return sizes;
}

/// Bytes that live before each node and after the last.
std::vector<double> live_bytes(const Graph& graph, const std::map<std::string, Tensor>& sample) {
  const ConcreteGraph concrete = concretize(graph, sizes_of(graph, sample));
  std::vector<double> change(graph.nodes().size() + 2);
  const std::vector<Life> all = lives(graph);
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].first > all[i].last) continue;
    const ValueType& type = concrete.types[i];
    // Sizes that only a run computes count for nothing.
    const double bytes = static_cast<double>(type.shape.checked_elements().value_or(0)) *
                         static_cast<double>(dtype_bytes(type.dtype));
    change[static_cast<size_t>(all[i].first)] += bytes;
    change[static_cast<size_t>(all[i].last) + 1] -= bytes;
  }
  for (size_t p = 1; p < change.size(); ++p) change[p] += change[p - 1];
  change.pop_back();
  return change;
}

/// Positions at which to cut, the ends included.
std::vector<int> cut_positions(const Graph& graph, const std::vector<double>& bytes,
                               const std::vector<bool>& is_layer) {
  const int end = static_cast<int>(graph.nodes().size());
  std::vector<int> cuts{0};
  for (int from = 1; from < end;) {
    int to = from;  // [from, to]: a plateau
    while (to + 1 < end && bytes[static_cast<size_t>(to) + 1] == bytes[static_cast<size_t>(from)]) ++to;
    const double here = bytes[static_cast<size_t>(from)];
    // Nodes before the first layer (an embedding) are cut off too, or the first block would be unlike the
    // rest.
    const bool lead_in =
        std::find(is_layer.begin() + cuts.back(), is_layer.begin() + from, true) == is_layer.begin() + from;
    const bool falls_or_stays = bytes[static_cast<size_t>(from) - 1] >= here || (cuts.size() == 1 && lead_in);
    if (falls_or_stays && (to + 1 >= end || bytes[static_cast<size_t>(to) + 1] > here)) {
      for (int p = from; p < to; ++p)
        if (is_layer[static_cast<size_t>(p)]) cuts.push_back(p);
      cuts.push_back(to);
    }
    from = to + 1;
  }
  cuts.push_back(end);
  return cuts;
}

/// What makes two pieces alike: their layers, by operator and shape of weights.
std::string signature(const Graph& graph, int first, int last, const std::vector<bool>& is_layer) {
  std::string text;
  for (int n = first; n < last; ++n) {
    const Node& node = graph.nodes()[static_cast<size_t>(n)];
    if (is_layer[static_cast<size_t>(n)])
      text += std::string(node.schema->name) + graph.value(node.inputs[1]).type.shape.str() + ';';
  }
  return text;
}

/// Lengths of the runs of pieces that belong together, by repetition.
std::vector<size_t> group_repeats(const std::vector<std::string>& pieces) {
  std::vector<size_t> groups;
  for (size_t i = 0; i < pieces.size();) {
    size_t period = 1, repeats = 1;
    for (size_t p = 1; p <= kMaxPeriod && repeats == 1; ++p) {
      size_t same = 0;
      while (i + same + p < pieces.size() && pieces[i + same] == pieces[i + same + p]) ++same;
      if (same < p) continue;
      period = p;
      repeats = same / p + 1;
    }
    for (size_t r = 0; r < repeats; ++r) groups.push_back(period);
    i += period * repeats;
  }
  return groups;
}

/// The dotted (or slashed) prefix that names of layers share, or "FIRST to LAST".
std::string block_name(const Graph& graph, int first, int last, const std::vector<bool>& is_layer) {
  std::vector<std::string> names;
  for (int n = first; n < last; ++n)
    if (is_layer[static_cast<size_t>(n)]) names.push_back(graph.nodes()[static_cast<size_t>(n)].name);
  if (names.empty()) names = {graph.nodes()[static_cast<size_t>(first)].name};
  if (names.size() == 1) return names.front();
  std::string common = names.front();
  for (const std::string& name : names) {
    size_t same = 0;
    while (same < std::min(common.size(), name.size()) && common[same] == name[same]) ++same;
    common.resize(same);
  }
  const size_t end = common.find_last_of("./");
  if (end != std::string::npos && end > 0) return common.substr(0, end);
  return names.front() + " to " + names.back();
}

}  // namespace

std::vector<ValueId> live_values(const Graph& graph, int position) {
  std::vector<ValueId> values;
  const std::vector<Life> all = lives(graph);
  for (size_t i = 0; i < all.size(); ++i)
    if (all[i].first <= position && all[i].last >= position) values.push_back(static_cast<ValueId>(i));
  return values;
}

std::vector<BlockRange> cut_blocks(const Graph& graph, const std::map<std::string, Tensor>& sample) {
  std::vector<bool> is_layer(graph.nodes().size());
  for (size_t n = 0; n < is_layer.size(); ++n) {
    const Node& node = graph.nodes()[n];
    is_layer[n] = has_weights(node) && node.inputs.size() > 1 && node.inputs[1] != kNoValue &&
                  graph.value(node.inputs[1]).constant;
  }
  const std::vector<int> cuts = cut_positions(graph, live_bytes(graph, sample), is_layer);
  std::vector<std::string> pieces;
  for (size_t i = 0; i + 1 < cuts.size(); ++i)
    pieces.push_back(signature(graph, cuts[i], cuts[i + 1], is_layer));

  std::vector<BlockRange> blocks;
  int first = 0;
  size_t piece = 0;
  for (size_t group : group_repeats(pieces)) {
    piece += group;
    const int last = cuts[piece];
    if (std::find(is_layer.begin() + first, is_layer.begin() + last, true) == is_layer.begin() + last)
      continue;
    blocks.push_back({first, last, {}});
    first = last;
  }
  if (first < cuts.back()) {
    if (blocks.empty()) blocks.push_back({0, 0, {}});
    blocks.back().last = cuts.back();
  }
  for (BlockRange& block : blocks) block.name = block_name(graph, block.first, block.last, is_layer);
  return blocks;
}

}  // namespace halftone
