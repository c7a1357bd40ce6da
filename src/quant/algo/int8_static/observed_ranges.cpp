#include "quant/algo/int8_static/observed_ranges.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <utility>

namespace halftone {
namespace {

/// Numbers beyond this stand for infinity: no layer makes them.
constexpr float kAsGoodAsInfinite = 1e30f;

}  // namespace

std::string ObservedRange::unscalable() const {
  if (!finite) return "is not finite";
  const float reach = std::max(-whole.low, whole.high);
  return reach > kAsGoodAsInfinite ? fmt::format("reaches {:.3g}", -whole.low == reach ? whole.low : reach)
                                   : "";
}

std::map<std::string, ObservedRange> observe_ranges(const Graph& graph, const ObserverOptions& observer,
                                                    const QuantizeOptions& options) {
  std::map<std::string, std::unique_ptr<RangeObserver>> observers;
  std::map<std::string, ObservedRange> ranges;
  const auto see = [&](const std::string& name, const TensorView& tensor) {
    if (tensor.dtype != DType::f32) return;
    auto& seen = observers[name];
    if (!seen) seen = make_range_observer(observer);
    seen->see(tensor.span<float>());
    ObservedRange& range = ranges[name];
    ClipRange& whole = range.whole;
    for (const float x : tensor.span<float>()) {
      range.finite = range.finite && std::isfinite(x);
      whole.low = std::min(whole.low, x);
      whole.high = std::max(whole.high, x);
    }
  };
  const auto run = [&](bool passes) {
    CompileOptions how;
    how.backend = options.backend;
    how.exact = true;
    how.run_passes = passes;
    Session session(compile(graph, how, *options.threads), *options.threads);
    std::map<std::string, std::unique_ptr<RangeObserver>> known = std::exchange(observers, {});
    session.observe([&](const Value& value, const TensorView& tensor) {
      if (!known.contains(value.name)) see(value.name, tensor);
    });
    for (int i = 0; i < options.data->samples(); ++i) {
      const std::map<std::string, Tensor> sample = options.data->sample(i);
      std::map<std::string, TensorView> inputs;
      for (const auto& [name, tensor] : sample) {
        if (!known.contains(name)) see(name, tensor.view());
        inputs.emplace(name, tensor.view());
      }
      session.run(inputs);
      if (options.progress) options.progress(i + 1, options.data->samples(), "calibration");
    }
    observers.merge(known);
  };
  run(true);
  // Values inside what passes fuse are seen by running the graph as it is.
  const bool hidden = std::any_of(graph.nodes().begin(), graph.nodes().end(), [&](const Node& node) {
    const Value& value = graph.value(node.outputs[0]);
    return value.type.dtype == DType::f32 && !observers.contains(value.name);
  });
  if (hidden) run(false);

  for (const auto& [name, seen] : observers) {
    ObservedRange& range = ranges[name];
    if (!range.unscalable().empty()) continue;
    range.candidates = seen->candidates();
    range.clip = range.candidates.front();
  }
  return ranges;
}

}  // namespace halftone
