#include "quant/algo/int8_static/end_noise.h"

#include <algorithm>
#include <cmath>

#include "graph/subgraph.h"
#include "quant/algo/int8_static/sample_choice.h"
#include "quant/structure/input_groups.h"

namespace halftone {
namespace {

constexpr int kSamples = 6;

/// Sums over numbers of one channel.
struct Sums {
  double count = 0, sum = 0, squares = 0;

  void see(double x) {
    ++count;
    sum += x;
    squares += x * x;
  }
  /// Squared distances from the mean.
  double spread() const { return count > 0 ? std::max(0.0, squares - sum * sum / count) : 0; }
};

/// Squared distances from the mean of each channel, over all samples; from the mean of all where no channel
/// has two numbers (one sample of a classifier's scores). Infinities (a mask's) do not count.
double variance_within_channels(const std::vector<Tensor>& samples, int axis) {
  std::vector<Sums> channels(static_cast<size_t>(samples.front().shape()[axis]));
  Sums all;
  for (const Tensor& sample : samples) {
    const Shape& shape = sample.shape();
    size_t inner = 1;
    for (int a = axis + 1; a < shape.rank(); ++a) inner *= static_cast<size_t>(shape[a]);
    const auto values = sample.span<float>();
    for (size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) continue;
      channels[i / inner % channels.size()].see(double{values[i]});
      all.see(double{values[i]});
    }
  }
  if (std::ranges::none_of(channels, [](const Sums& channel) { return channel.count > 1; }))
    return all.spread();
  double variance = 0;
  for (const Sums& channel : channels) variance += channel.spread();
  return variance;
}

}  // namespace

std::vector<EndValue> end_values(const Graph& graph) {
  constexpr int kNone = -1;
  std::vector<int> axis(graph.values().size(), kNone);  // of what layers and sums behind them make
  std::vector<bool> decides(graph.nodes().size());
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    if (node.outputs.empty() || node.outputs[0] == kNoValue) continue;
    const int rank = graph.value(node.outputs[0]).type.shape.rank();
    int made = kNone;
    if (layer_form(graph, node)) {
      made = node.schema->name == "Conv" ? 1 : rank - 1;
    } else if (node.schema->name == "Add" || node.schema->name == "Sub") {
      for (ValueId input : node.inputs)
        if (axis[static_cast<size_t>(input)] != kNone && graph.value(input).type.shape.rank() == rank)
          made = axis[static_cast<size_t>(input)];
    }
    axis[static_cast<size_t>(node.outputs[0])] = made;
    decides[n] = made != kNone;
  }
  std::vector<bool> ends(graph.values().size());  // leads to an output past all that decides
  for (ValueId output : graph.outputs()) ends[static_cast<size_t>(output)] = true;
  for (size_t n = graph.nodes().size(); n-- > 0;) {
    const Node& node = graph.nodes()[n];
    const bool leads = std::ranges::any_of(
        node.outputs, [&](ValueId id) { return id != kNoValue && ends[static_cast<size_t>(id)]; });
    if (decides[n] || node.schema->of_shapes || !leads) continue;
    for (ValueId input : node.inputs)
      if (input != kNoValue) ends[static_cast<size_t>(input)] = true;
  }
  std::vector<EndValue> found;
  for (size_t n = 0; n < graph.nodes().size(); ++n)
    if (const ValueId made = decides[n] ? graph.nodes()[n].outputs[0] : kNoValue;
        made != kNoValue && ends[static_cast<size_t>(made)])
      found.push_back({made, axis[static_cast<size_t>(made)]});
  return found;
}

EndNoise::EndNoise(const Graph& floating, const QuantizeOptions& options)
    : options_(options),
      samples_(choose_samples(*options.data, kSamples)),
      ends_(end_values(floating)),
      wanted_(run(floating)) {
  for (size_t e = 0; e < ends_.size(); ++e)
    variances_.push_back(variance_within_channels(wanted_[e], ends_[e].axis));
}

std::vector<std::vector<Tensor>> EndNoise::run(const Graph& graph) const {
  std::vector<ValueId> values;
  for (const EndValue& end : ends_) values.push_back(end.value);
  const Subgraph part = extract(graph, graph.inputs(), values);
  CompileOptions how;
  how.backend = options_.backend;
  how.exact = true;
  Session session(compile(part.graph, how, *options_.threads), *options_.threads);
  std::vector<std::vector<Tensor>> seen(ends_.size());
  run_samples(session, samples_, *options_.data, {}, [&](size_t) {
    for (size_t e = 0; e < ends_.size(); ++e) {
      const TensorView end = session.output(graph.value(ends_[e].value).name);
      seen[e].push_back(Tensor::from(end.shape, end.span<float>()));
    }
  });
  return seen;
}

double EndNoise::of(const Graph& graph) const {
  const std::vector<std::vector<Tensor>> found = run(graph);
  double noise = 0;
  for (size_t e = 0; e < ends_.size(); ++e) {
    double error = 0;
    for (size_t s = 0; s < samples_.size(); ++s) {
      const auto wanted = wanted_[e][s].span<float>(), got = found[e][s].span<float>();
      for (size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == got[i]) continue;  // infinities of a mask, too
        error += (double{wanted[i]} - double{got[i]}) * (double{wanted[i]} - double{got[i]});
      }
    }
    if (!std::isfinite(error)) return HUGE_VAL;
    if (error > 0) noise += variances_[e] > 0 ? error / variances_[e] : 1;
  }
  return ends_.empty() ? 0 : noise / static_cast<double>(ends_.size());
}

}  // namespace halftone
