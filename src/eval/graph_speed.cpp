#include "eval/graph_speed.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>

#include "base/error.h"
#include "graph/concretize.h"

namespace halftone {
namespace {

constexpr int kWarmUpRuns = 3;

double at_share(const std::vector<double>& sorted, double share) {
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(share * static_cast<double>(sorted.size())))];
}

double run_ms(Session& session, const std::map<std::string, TensorView>& inputs) {
  const auto start = std::chrono::steady_clock::now();
  session.run(inputs);
  if (DeviceMemory* memory = session.plan().memory()) memory->wait();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

std::vector<LayerTime> measure_layers(Session& session, const std::map<std::string, TensorView>& inputs,
                                      int repetitions) {
  const Graph& graph = session.plan().graph();
  std::vector<std::vector<double>> times(graph.nodes().size());
  session.clock_steps([&](size_t step, double milliseconds) { times[step].push_back(milliseconds); });
  for (int i = 0; i < repetitions; ++i) session.run(inputs);
  session.clock_steps({});
  const ConcreteGraph concrete = concretize(graph, std::vector<int64_t>(graph.symbols().size(), 1));
  std::vector<LayerTime> layers;
  for (size_t n = 0; n < times.size(); ++n) {
    if (times[n].empty()) continue;
    const OpSite& site = concrete.sites[n];
    const Cost cost = site.schema->cost(site);
    layers.push_back({n, latency_of(times[n]).median, cost.flops, cost.weight_bytes + cost.activation_bytes});
  }
  return layers;
}

}  // namespace

Latency latency_of(std::vector<double> milliseconds) {
  if (milliseconds.empty()) return {};
  std::sort(milliseconds.begin(), milliseconds.end());
  Latency latency{at_share(milliseconds, 0.5), at_share(milliseconds, 0.9)};
  if (milliseconds.size() < 2)
    latency.spread = std::numeric_limits<double>::quiet_NaN();
  else
    latency.spread = (at_share(milliseconds, 0.75) - at_share(milliseconds, 0.25)) / 2 / latency.median;
  return latency;
}

std::map<std::string, Tensor> made_inputs(const Graph& graph) {
  std::map<std::string, Tensor> inputs;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (ValueId id : graph.inputs()) {
    const Value& value = graph.value(id);
    if (value.type.dtype == DType::state)
      throw UnsupportedError("the graph keeps a state (\"{}\") from run to run", value.name);
    Shape shape;
    for (int64_t dim : value.type.shape) shape.push_back(dim < 0 ? 1 : dim);
    Tensor tensor = Tensor::zeros(value.type.dtype, shape);
    if (is_float(value.type.dtype)) {
      std::vector<float> numbers(static_cast<size_t>(shape.elements()));
      for (float& x : numbers) x = normal(random);
      store_floats(numbers, tensor.mutable_view(), 0);
    }
    inputs.emplace(value.name, std::move(tensor));
  }
  return inputs;
}

GraphSpeed measure_graph(Session& session, int repetitions, bool layers,
                         const std::function<void(int done, int total)>& progress) {
  const std::map<std::string, Tensor> held = made_inputs(session.plan().graph());
  std::map<std::string, TensorView> inputs;
  for (const auto& [name, tensor] : held) inputs.emplace(name, tensor.view());
  GraphSpeed speed;
  speed.first_ms = run_ms(session, inputs);
  for (int i = 1; i < kWarmUpRuns; ++i) session.run(inputs);
  std::vector<double> times;
  for (int i = 0; i < repetitions; ++i) {
    times.push_back(run_ms(session, inputs));
    if (progress) progress(i + 1, repetitions);
  }
  speed.latency = latency_of(times);
  if (layers) speed.layers = measure_layers(session, inputs, repetitions);
  return speed;
}

}  // namespace halftone
