#include "cli/graph_report.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "cli/command.h"
#include "cli/pass_report.h"
#include "cli/table.h"
#include "cost/graph_cost.h"
#include "cost/memory.h"
#include "graph/concretize.h"
#include "graph/shape_text.h"
#include "runtime/rewrite.h"

namespace halftone::cli {
namespace {

struct OperatorShare {
  int count = 0;
  double flops = 0;
};

/// What is known of one run. Costs are missing where shapes depend on what the run computes.
struct GraphFacts {
  WeightSize weights;
  std::map<std::string, OperatorShare> operators;
  bool static_shapes = false;
  Cost cost;
  double arena = 0;
};

GraphFacts facts_of(const Graph& graph, const std::map<std::string, int64_t>& sizes) {
  GraphFacts facts;
  facts.weights = weight_size(graph);
  for (const Node& node : graph.nodes()) ++facts.operators[std::string(node.schema->name)].count;
  facts.static_shapes = concretize(graph, sizes).is_complete();
  if (!facts.static_shapes) return facts;
  const GraphCost cost = graph_cost(graph, sizes);
  facts.cost = cost.total;
  for (size_t n = 0; n < cost.nodes.size(); ++n)
    facts.operators[std::string(graph.nodes()[n].schema->name)].flops += cost.nodes[n].flops;
  return facts;
}

struct Port {
  std::string name;
  ValueType type;
};

std::vector<Port> inputs_of(const Graph& graph) {
  std::vector<Port> ports;
  for (ValueId id : graph.inputs()) ports.push_back({graph.value(id).name, graph.value(id).type});
  return ports;
}

std::vector<Port> outputs_of(const Graph& graph) {
  std::vector<Port> ports;
  for (size_t i = 0; i < graph.outputs().size(); ++i)
    ports.push_back({graph.output_names()[i], graph.value(graph.outputs()[i]).type});
  return ports;
}

std::string type_text(const Graph& graph, const ValueType& type) {
  return fmt::format("{} {}", dtype_name(type.dtype), shape_text(graph, type.shape));
}

void print_report(const Graph& graph, const GraphFacts& facts) {
  const auto line = [](std::string_view label, const std::string& value) {
    print_text(fmt::format("{:<16}{}\n", label, value));
  };
  line("Graph", graph.name);
  for (const Port& port : inputs_of(graph))
    line("Input", fmt::format("{}  {}", port.name, type_text(graph, port.type)));
  for (const Port& port : outputs_of(graph))
    line("Output", fmt::format("{}  {}", port.name, type_text(graph, port.type)));
  line("Parameters", fmt::format("{:.3f} M", facts.weights.elements / 1e6));
  line("Weights", bytes_text(facts.weights.bytes));
  if (facts.static_shapes) {
    line("FLOPs", fmt::format("{:.3f} G a run", facts.cost.flops / 1e9));
    line("Traffic", fmt::format("{} of weights, {} of activations a run", bytes_text(facts.cost.weight_bytes),
                                bytes_text(facts.cost.activation_bytes)));
    line("Arena", fmt::format("{} at the peak", bytes_text(facts.arena)));
  } else {
    line("FLOPs", "not known ahead: shapes depend on what the run computes");
  }
  Table table({{"operator", Table::Align::left}, {"nodes"}, {"FLOPs"}, {"share"}});
  std::vector<std::pair<std::string, OperatorShare>> rows(facts.operators.begin(), facts.operators.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second.flops > b.second.flops; });
  for (const auto& [name, share] : rows)
    table.add_row(
        {name, std::to_string(share.count),
         facts.static_shapes ? fmt::format("{:.4f} G", share.flops / 1e9) : "",
         facts.cost.flops > 0 ? fmt::format("{:.1f} %", share.flops / facts.cost.flops * 100) : ""});
  print_text("\n" + table.str());
}

OrderedJson ports_json(const Graph& graph, const std::vector<Port>& ports) {
  OrderedJson list = OrderedJson::array();
  for (const Port& port : ports)
    list.push_back({{"name", port.name},
                    {"dtype", dtype_name(port.type.dtype)},
                    {"shape", shape_text(graph, port.type.shape)}});
  return list;
}

}  // namespace

GraphToRun graph_to_run(Graph graph, const ModelOptions& options) {
  CompileOptions compiling;
  compiling.backend = options.backend;
  compiling.exact = options.exact;
  GraphToRun made{std::move(graph), {}};
  made.passes = rewrite_to_run(made.graph, compiling);
  return made;
}

void report_graph(const Graph& graph, const ModelOptions& options, bool passes) {
  std::map<std::string, int64_t> sizes;
  for (const Symbol& symbol : graph.symbols()) sizes.emplace(symbol.name, 1);
  Graph folded = graph;
  run_passes(folded, standard_passes());
  GraphFacts facts = facts_of(folded, sizes);
  const GraphToRun to_run = graph_to_run(graph, options);
  if (facts.static_shapes) facts.arena = arena_bytes(to_run.graph, sizes);
  if (passes) fmt::print(stderr, "{}", passes_text(to_run.passes, to_run.graph.nodes().size()));
  if (!options.json) return print_report(folded, facts);
  OrderedJson report;
  report["graph"] = graph.name;
  report["inputs"] = ports_json(graph, inputs_of(graph));
  report["outputs"] = ports_json(graph, outputs_of(graph));
  report["parameters"] = facts.weights.elements;
  report["weight_bytes"] = facts.weights.bytes;
  report["static_shapes"] = facts.static_shapes;
  if (facts.static_shapes) {
    report["flops"] = facts.cost.flops;
    report["activation_bytes"] = facts.cost.activation_bytes;
    report["arena_bytes"] = facts.arena;
  }
  report["operators"] = OrderedJson::object();
  for (const auto& [name, share] : facts.operators) report["operators"][name] = share.count;
  if (passes) report["passes"] = passes_json(to_run.passes);
  print_json(report);
}

}  // namespace halftone::cli
