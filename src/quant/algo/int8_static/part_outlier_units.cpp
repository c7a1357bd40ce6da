#include "quant/algo/int8_static/part_outlier_units.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "graph/passes/pattern.h"
#include "quant/structure/channel_factors.h"
#include "quant/structure/input_groups.h"

namespace halftone {
namespace {

constexpr float kFar = 4;

/// Positions of Gemm -> Gelu -> Gemm, the weights [out, in] of both read by nobody else.
struct Mlp {
  size_t first, gelu, second;
};

bool is_plain_layer(const Graph& graph, const UseMap& uses, const Node& node) {
  if (node.schema->name != "Gemm" || !node.use_encodings.empty() || node.inputs.size() > 3) return false;
  const auto form = layer_form(graph, node);
  if (!form || form->output_axis != 0 || node.attributes.has("activation")) return false;
  const auto& weights = graph.value(node.inputs[1]).constant;
  if (!weights || weights->encoding() || !uses.only_feeds_one(node.inputs[1])) return false;
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return true;
  const Value& bias = graph.value(node.inputs[2]);
  return bias.constant && !bias.constant->encoding() && bias.type.shape == Shape{form->outputs} &&
         uses.only_feeds_one(node.inputs[2]);
}

std::vector<Mlp> find_mlps(const Graph& graph) {
  const UseMap uses(graph);
  const std::vector<std::vector<int>> users = graph.users();
  std::vector<Mlp> found;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& gelu = graph.nodes()[n];
    if (gelu.schema->name != "Gelu" || !uses.only_feeds_one(gelu.inputs[0]) ||
        !uses.only_feeds_one(gelu.outputs[0]))
      continue;
    const int maker = uses.maker(gelu.inputs[0]);
    const std::vector<int>& readers = users[static_cast<size_t>(gelu.outputs[0])];
    if (maker < 0 || readers.empty()) continue;
    const Mlp mlp{static_cast<size_t>(maker), n, static_cast<size_t>(readers.front())};
    const Node& second = graph.nodes()[mlp.second];
    if (second.inputs[0] == gelu.outputs[0] && is_plain_layer(graph, uses, graph.nodes()[mlp.first]) &&
        is_plain_layer(graph, uses, second))
      found.push_back(mlp);
  }
  return found;
}

/// The units that stand out.
std::vector<int64_t> outliers(const std::vector<float>& peaks) {
  std::vector<float> sorted = peaks;
  std::ranges::sort(sorted, std::greater<>());
  const float usual = sorted[(sorted.size() + 99) / 100];
  std::vector<int64_t> units;
  for (size_t c = 0; c < peaks.size(); ++c)
    if (usual > 0 && peaks[c] > kFar * usual) units.push_back(static_cast<int64_t>(c));
  return units;
}

/// Some indices of an axis of a matrix (or of a vector), `count` of them, 0 behind the last.
Tensor picked(const Constant& constant, int axis, const std::vector<int64_t>& indices, int64_t count) {
  const Tensor from = to_f32(constant.load());
  Shape shape = from.shape();
  const int64_t columns = shape.rank() == 1 ? 1 : shape[1];
  shape[axis] = count;
  Tensor to = Tensor::allocate(DType::f32, shape);
  const auto values = to.mutable_view().span<float>();
  std::ranges::fill(values, 0.0f);
  const int64_t kept = axis == 0 ? columns : from.shape()[0];
  for (size_t i = 0; i < indices.size(); ++i)
    for (int64_t k = 0; k < kept; ++k) {
      const int64_t source = axis == 0 ? indices[i] * columns + k : k * columns + indices[i];
      const auto place = static_cast<int64_t>(i);
      const int64_t target = axis == 0 ? place * columns + k : k * count + place;
      values[static_cast<size_t>(target)] = from.span<float>()[static_cast<size_t>(source)];
    }
  return to;
}

void silence(Value& value, int axis, const std::vector<int64_t>& indices) {
  std::vector<float> factors(static_cast<size_t>(value.type.shape[axis]), 1.0f);
  for (int64_t index : indices) factors[static_cast<size_t>(index)] = 0;
  value.type.dtype = DType::f32;
  value.constant = scaled_constant(*value.constant, axis, std::move(factors));
}

/// The layers of some units alone, behind the second layer, which gives up its output to their sum.
void part(Graph& graph, const Mlp& mlp, const std::vector<int64_t>& units, int64_t rows) {
  const Node first = graph.nodes()[mlp.first], gelu = graph.nodes()[mlp.gelu],
             second = graph.nodes()[mlp.second];
  const auto beside = [&](const Node& node, size_t slot, int axis) {
    Value& value = graph.value(node.inputs[slot]);
    const Tensor own = picked(*value.constant, axis, units, rows);
    const std::string name = value.name + "/outliers";
    silence(value, axis, units);
    return add_pass_constant(graph, name, Constant(own));
  };
  std::vector<ValueId> inputs{first.inputs[0], beside(first, 1, 0)};
  if (first.inputs.size() > 2 && first.inputs[2] != kNoValue) inputs.push_back(beside(first, 2, 0));
  const ValueId columns = beside(second, 1, 1);

  // Before the first layer, so that no place behind it has fewer values alive than the MLP's ends:
  // calibration would cut its blocks there.
  ValueId theirs = kNoValue;
  std::vector<Node> before = std::exchange(graph.nodes(), {});
  for (size_t n = 0; n < before.size(); ++n) {
    if (n == mlp.first) {
      const ValueId hidden =
          graph.add_node(*first.schema, first.name + "/outliers", inputs, first.attributes).front();
      const ValueId active =
          graph.add_node(*gelu.schema, gelu.name + "/outliers", {hidden}, gelu.attributes).front();
      theirs = graph.add_node(*second.schema, second.name + "/outliers", {active, columns}, second.attributes)
                   .front();
    }
    if (n != mlp.second) {
      graph.nodes().push_back(std::move(before[n]));
      continue;
    }
    const ValueId others =
        graph.add_node(*second.schema, second.name + "/others", second.inputs, second.attributes).front();
    graph.nodes().back().name = second.name;
    graph.nodes().push_back({find_op("Add"), second.name + "/sum", {others, theirs}, second.outputs, {}, {}});
  }
}

}  // namespace

std::vector<ValueId> hidden_units(const Graph& graph) {
  std::vector<ValueId> values;
  for (const Mlp& mlp : find_mlps(graph)) values.push_back(graph.nodes()[mlp.gelu].inputs[0]);
  return values;
}

std::vector<LayerNote> part_outlier_units(Graph& graph,
                                          const std::map<std::string, std::vector<float>>& peaks,
                                          int64_t minimum_elements) {
  std::vector<LayerNote> notes;
  for (ValueId hidden : hidden_units(graph)) {
    const std::vector<Mlp> mlps = find_mlps(graph);
    const Mlp mlp = *std::ranges::find_if(
        mlps, [&](const Mlp& each) { return graph.nodes()[each.gelu].inputs[0] == hidden; });
    const Node& first = graph.nodes()[mlp.first];
    const auto found = peaks.find(graph.value(hidden).name);
    if (found == peaks.end() || found->second.size() < 8) continue;
    const std::vector<int64_t> units = outliers(found->second);
    if (units.empty()) continue;
    const int64_t width =
        std::min(layer_form(graph, first)->channels, layer_form(graph, graph.nodes()[mlp.second])->outputs);
    if (width == 0) continue;
    const int64_t rows = std::max(std::ssize(units) * int64_t{1}, (minimum_elements + width - 1) / width);
    if (rows > std::ssize(found->second)) continue;  // then no recipe takes the layers themselves
    notes.push_back({first.name, "int8-static",
                     fmt::format("{} of its {} units, over {:g} times the others, have layers of their own",
                                 units.size(), found->second.size(), kFar),
                     false});
    part(graph, mlp, units, rows);
  }
  if (!notes.empty()) verify(graph);
  return notes;
}

}  // namespace halftone
