#include "quant/algo/int8_static/end_noise.h"

#include <algorithm>

#include "graph/subgraph.h"
#include "quant/algo/int8_static/sample_choice.h"
#include "quant/structure/input_groups.h"

namespace halftone {
namespace {

constexpr int kSamples = 6;

/// Squared distances from the mean of each channel, over all samples.
double variance_within_channels(const std::vector<Tensor>& samples, int axis) {
  const Shape& shape = samples.front().shape();
  const auto channels = static_cast<size_t>(shape[axis]);
  size_t inner = 1;
  for (int a = axis + 1; a < shape.rank(); ++a) inner *= static_cast<size_t>(shape[a]);
  std::vector<double> sums(channels), squares(channels);
  double count = 0;
  for (const Tensor& sample : samples) {
    const auto values = sample.span<float>();
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t channel = i / inner % channels;
      sums[channel] += double{values[i]};
      squares[channel] += double{values[i]} * double{values[i]};
    }
    count += static_cast<double>(values.size()) / static_cast<double>(channels);
  }
  double variance = 0;
  for (size_t c = 0; c < channels; ++c) variance += squares[c] - sums[c] * sums[c] / count;
  return variance;
}

}  // namespace

EndNoise::EndNoise(const Graph& floating, const QuantizeOptions& options)
    : options_(options), samples_(choose_samples(*options.data, kSamples)) {
  std::vector<bool> leads_on(floating.values().size());  // to a layer
  for (size_t n = floating.nodes().size(); n-- > 0;) {
    const Node& node = floating.nodes()[n];
    const bool reaches = std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) {
      return id != kNoValue && leads_on[static_cast<size_t>(id)];
    });
    const auto form = layer_form(floating, node);
    if (form && !reaches) {
      const int rank = floating.value(node.outputs[0]).type.shape.rank();
      ends_.push_back({node.outputs[0], node.schema->name == "Conv" ? 1 : rank - 1});
    }
    if (form || reaches)
      for (ValueId input : node.inputs)
        if (input != kNoValue) leads_on[static_cast<size_t>(input)] = true;
  }
  wanted_ = run(floating);
  for (size_t e = 0; e < ends_.size(); ++e)
    ends_[e].variance = variance_within_channels(wanted_[e], ends_[e].axis);
}

std::vector<std::vector<Tensor>> EndNoise::run(const Graph& graph) const {
  std::vector<ValueId> values;
  for (const End& end : ends_) values.push_back(end.value);
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
      for (size_t i = 0; i < wanted.size(); ++i)
        error += (double{wanted[i]} - double{got[i]}) * (double{wanted[i]} - double{got[i]});
    }
    if (error > 0) noise += ends_[e].variance > 0 ? error / ends_[e].variance : 1;
  }
  return ends_.empty() ? 0 : noise / static_cast<double>(ends_.size());
}

}  // namespace halftone
