#include "eval/layer_compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "quant/calib/block_cuts.h"
#include "quant/calib/carry_over.h"
#include "quant/structure/scale_groups.h"

namespace halftone {
namespace {

std::map<std::string, ValueId> ids_by_name(const Graph& graph) {
  std::map<std::string, ValueId> ids;
  for (size_t i = 0; i < graph.values().size(); ++i)
    ids.emplace(graph.values()[i].name, static_cast<ValueId>(i));
  return ids;
}

/// A value of the first model that is compared, and where it is in the second.
struct Pair {
  std::string layer;
  std::string weights;
  ValueId original;
  ValueId other;
  ClosenessMeter meter;
};

bool is_layer(const Graph& graph, const Node& node) {
  return has_weights(node) && node.inputs.size() > 1 && node.inputs[1] != kNoValue &&
         graph.value(node.inputs[1]).constant;
}

std::vector<ValueId> mapped(const std::vector<ValueId>& values, const Graph& from,
                            const std::map<std::string, ValueId>& to) {
  std::vector<ValueId> ids;
  for (ValueId value : values) {
    const auto found = to.find(from.value(value).name);
    if (found == to.end())
      throw InputError("the models are not two versions of one: the second has no \"{}\"",
                       from.value(value).name);
    ids.push_back(found->second);
  }
  return ids;
}

}  // namespace

void ClosenessMeter::add(const TensorView& made, const TensorView& wanted) {
  const auto count = static_cast<size_t>(wanted.shape.elements());
  if (made.shape != wanted.shape)
    throw InputError("values of shapes {} and {} cannot be compared", made.shape.str(), wanted.shape.str());
  std::vector<float> a(count), b(count);
  load_floats(made, 0, a);
  load_floats(wanted, 0, b);
  size_t inner = 1;
  if (channel_axis_)
    for (int axis = *channel_axis_ + 1; axis < wanted.shape.rank(); ++axis)
      inner *= static_cast<size_t>(wanted.shape[axis]);
  channels_.resize(channel_axis_ ? static_cast<size_t>(wanted.shape[*channel_axis_]) : 1);
  for (size_t i = 0; i < count; ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    if (!std::isfinite(x) || !std::isfinite(y)) {
      broken_ = broken_ || x != y;  // a mask of -infinity stays one
      continue;
    }
    Sums& sums = channels_[i / inner % channels_.size()];
    sums.made += x * x;
    sums.wanted += y * y;
    sums.product += x * y;
    sums.error += (x - y) * (x - y);
    max_error_ = std::max(max_error_, std::abs(x - y));
  }
}

Closeness ClosenessMeter::result() const {
  Closeness closeness;
  if (broken_) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return {-kInfinity, std::numeric_limits<double>::quiet_NaN(), kInfinity, false};
  }
  auto factor = [](const Sums& sums) { return sums.made > 0 ? sums.product / sums.made : 1; };
  const auto changed =
      std::ranges::count_if(channels_, [&](const Sums& sums) { return std::abs(factor(sums) - 1) > 0.05; });
  closeness.rescaled = channel_axis_ && 2 * changed >= std::ssize(channels_);
  Sums all;
  for (const Sums& sums : channels_) {
    const double by = closeness.rescaled ? factor(sums) : 1;
    all.made += by * by * sums.made;
    all.wanted += sums.wanted;
    all.product += by * sums.product;
    all.error += closeness.rescaled ? std::max(0.0, sums.wanted - by * sums.product) : sums.error;
  }
  closeness.sqnr_db =
      all.error == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(all.wanted / all.error);
  const double lengths = std::sqrt(all.made * all.wanted);
  closeness.cosine = all.error == 0 ? 1 : lengths > 0 ? all.product / lengths : 0;
  closeness.max_error = closeness.rescaled ? std::nan("") : max_error_;
  return closeness;
}

/// By position: the axis of its output along which a layer's channels could be rescaled, found from the
/// structure of the graph.
std::map<int, int> rescalable_layers(const Graph& graph) {
  std::map<int, int> axes;
  for (const ScaleGroup& group : find_scale_groups(graph)) {
    if (!group.absorption) continue;
    for (const Absorber& absorber : group.absorption->absorbers) {
      const Node& node = graph.nodes()[static_cast<size_t>(absorber.node)];
      if (!layer_form(graph, node)) continue;
      const int rank = graph.value(node.outputs[0]).type.shape.rank();
      axes[absorber.node] = node.schema->name == "Conv" ? 1 : rank - 1;
    }
  }
  return axes;
}

ModelComparison compare_layers(const Graph& original, const Graph& other, const CalibrationData& data,
                               const CompareOptions& options) {
  const CalibrationMachine machine =
      make_machine(original, data, options.backend, options.threads, options.memory);
  const CalibrationMachine other_machine =
      make_machine(other, data, options.backend, options.threads, options.memory);
  const std::map<std::string, ValueId> other_ids = ids_by_name(other);
  std::map<std::string, const Node*> other_nodes;
  for (const Node& node : other.nodes()) other_nodes[node.name] = &node;

  const std::map<int, int> channel_axes = rescalable_layers(original);
  const std::vector<BlockRange> blocks = cut_blocks(original, data.sample(0));
  std::shared_ptr<ActivationStore> here = stored_samples(machine, original);
  std::shared_ptr<ActivationStore> there = stored_samples(other_machine, other);
  ModelComparison comparison;
  for (size_t b = 0; b < blocks.size(); ++b) {
    if (options.progress) options.progress(static_cast<int>(b), static_cast<int>(blocks.size()));
    std::vector<Pair> pairs;
    std::vector<ValueId> watch, other_watch;
    auto pair_up = [&](const std::string& name, ValueId value, std::string weights,
                       std::optional<int> channel_axis = {}) {
      const auto found = other_ids.find(original.value(value).name);
      if (found == other_ids.end()) return;
      pairs.push_back({name, std::move(weights), value, found->second, ClosenessMeter(channel_axis)});
      watch.push_back(value);
      other_watch.push_back(found->second);
    };
    for (int n = blocks[b].first; n < blocks[b].last; ++n) {
      const Node& node = original.nodes()[static_cast<size_t>(n)];
      const auto twin = other_nodes.find(node.name);
      if (!is_layer(original, node) || twin == other_nodes.end()) continue;
      const auto& weights = other.value(twin->second->inputs[1]).constant;
      const auto rescalable = channel_axes.find(n);
      pair_up(node.name, node.outputs[0], weights && weights->encoding() ? weights->encoding()->str() : "",
              rescalable == channel_axes.end() ? std::nullopt : std::optional(rescalable->second));
    }
    const size_t layers = pairs.size();
    if (b + 1 == blocks.size())
      for (size_t i = 0; i < original.outputs().size(); ++i)
        if (is_float(original.value(original.outputs()[i]).type.dtype))
          pair_up(original.output_names()[i], original.outputs()[i], "");

    ActivationStore wanted(machine.pool, here->samples());
    const std::vector<ValueId> live = live_values(original, blocks[b].last);
    here = carry_over(machine, original, *here, live, watch,
                      [&](int sample, ValueId value, const TensorView& x) {
                        if (std::find(watch.begin(), watch.end(), value) != watch.end())
                          wanted.put(sample, value, x);
                      });
    there = carry_over(other_machine, other, *there, mapped(live, original, other_ids), other_watch,
                       [&](int sample, ValueId value, const TensorView& x) {
                         for (Pair& pair : pairs)
                           if (pair.other == value)
                             pair.meter.add(x, wanted.find(sample, pair.original)->load().view());
                       });
    for (size_t i = 0; i < pairs.size(); ++i)
      (i < layers ? comparison.layers : comparison.outputs)
          .push_back({pairs[i].layer, pairs[i].weights, pairs[i].meter.result()});
  }
  if (options.progress) options.progress(static_cast<int>(blocks.size()), static_cast<int>(blocks.size()));
  return comparison;
}

std::vector<LayerDifference> worst_first(std::vector<LayerDifference> layers) {
  std::stable_sort(layers.begin(), layers.end(), [](const LayerDifference& a, const LayerDifference& b) {
    return a.closeness.sqnr_db < b.closeness.sqnr_db;
  });
  return layers;
}

}  // namespace halftone
