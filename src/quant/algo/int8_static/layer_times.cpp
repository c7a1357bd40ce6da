#include "quant/algo/int8_static/layer_times.h"

namespace halftone {

std::map<std::string, double> layer_times(const Graph& graph, const QuantizeOptions& options) {
  constexpr int kRuns = 7;
  CompileOptions how;
  how.backend = options.backend;
  const auto plan = compile(graph, how, *options.threads);
  Session session(plan, *options.threads);
  std::map<std::string, double> best;
  session.clock_steps([&](size_t step, double milliseconds) {
    const Node& node = plan->graph().nodes()[static_cast<size_t>(plan->steps()[step].node)];
    auto [found, fresh] = best.emplace(node.name, milliseconds);
    if (!fresh && milliseconds < found->second) found->second = milliseconds;
  });
  const std::map<std::string, Tensor> sample = options.data->sample(0);
  std::map<std::string, TensorView> inputs;
  for (const auto& [name, tensor] : sample) inputs.emplace(name, tensor.view());
  for (int run = 0; run < kRuns; ++run) session.run(inputs);
  return best;
}

}  // namespace halftone
