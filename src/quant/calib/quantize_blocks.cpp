#include "quant/calib/quantize_blocks.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "graph/subgraph.h"
#include "quant/calib/block_cuts.h"
#include "quant/calib/carry_over.h"
#include "quant/calib/finite_samples.h"
#include "quant/structure/ended_infinities.h"

namespace halftone {
namespace {

size_t index(ValueId id) {
  return static_cast<size_t>(id);
}

void check_weight(const Constant& weight, const std::string& name) {
  const Tensor values = weight.load();
  const int64_t count = values.shape().elements();
  std::vector<float> some(size_t{1} << 14);
  for (int64_t at = 0; at < count; at += static_cast<int64_t>(some.size())) {
    some.resize(static_cast<size_t>(std::min(count - at, static_cast<int64_t>(some.size()))));
    load_floats(values.view(), at, some);
    for (size_t i = 0; i < some.size(); ++i)
      if (!std::isfinite(some[i]))
        throw InputError("{}: element {} of {} is {}, expected a finite number", name,
                         at + static_cast<int64_t>(i), count, some[i]);
  }
}

/// Samples that an algorithm can do nothing with, and what was seen of each: `"x" of the original model is
/// nan`.
using UselessSamples = std::map<int, std::string>;

std::set<int> indices_of(const UselessSamples& samples) {
  std::set<int> indices;
  for (const auto& [index, seen] : samples) indices.insert(index);
  return indices;
}

/// A model whose blocks are quantized one after the other, with the activations at the cut that work has
/// reached.
class BlockwiseRun {
 public:
  BlockwiseRun(Graph& graph, const AlgorithmChain& chain, const std::vector<QuantTarget>& targets,
               const QuantizeOptions& options)
      : working_(graph),
        floating_(graph),
        ended_infinities_(ended_infinities(graph)),
        chain_(chain),
        options_(options),
        needs_(needs_of(chain)),
        machine_(make_machine(graph, *options.data, options.backend, options.threads, options.memory,
                              options.spill_folder)),
        ranges_(cut_blocks(graph, options.data->sample(0))) {
    for (Node& node : floating_.nodes()) node.use_encodings.clear();
    original_ = quantized_ = stored_samples(machine_, floating_);
    share_out(targets);
    UselessSamples useless;
    for (int s = 0; s < original_->samples(); ++s)
      for (ValueId id : original_->own())
        if (const auto bad = not_finite(id, original_->find(s, id)->load().view()))
          useless.emplace(s, fmt::format("its input \"{}\" is {}", floating_.value(id).name, *bad));
    leave_out(useless, floating_.name);
  }

  std::vector<LayerNote> run() {
    const int total = static_cast<int>(ranges_.size());
    const auto [first, last] = options_.blocks.value_or(std::pair{0, total});
    if (first < 0 || first >= last || last > total)
      throw UsageError("blocks {} to {} of {}: expected a range within 0 to {}", first, last, total, total);
    for (int b = 0; b < last; ++b) {
      if (options_.progress) options_.progress(b, total, range(b).name);
      // Before the block is quantized: a sample that overflows in it is of no use to an algorithm.
      const bool goes_on = b + 1 < last;
      if (b >= first) check_weights(b);
      std::shared_ptr<ActivationStore> next;
      if (goes_on && needs_.original_prefix && samples_left())
        next = carried(b, floating_, original_, "original");
      if (b >= first && samples_left())
        finish(b);
      else if (b >= first)
        round_to_nearest(b);
      if (goes_on && samples_left()) propagate(b, first, std::move(next));
    }
    if (options_.progress) options_.progress(total, total, {});
    return std::move(notes_);
  }

 private:
  /// Which block each target belongs to. Weights of several blocks get their encoding now.
  void share_out(const std::vector<QuantTarget>& targets) {
    block_targets_.resize(ranges_.size());
    for (const QuantTarget& target : targets) {
      const std::set<int> blocks = blocks_of(target.weight);
      if (blocks.size() == 1) {
        block_targets_[static_cast<size_t>(*blocks.begin())].push_back(target);
        continue;
      }
      working_.value(target.weight).constant->set_encoding(target.encoding);
      for (int node : target.nodes)
        notes_.push_back({floating_.nodes()[static_cast<size_t>(node)].name, "rtn",
                          "its weights serve several blocks and are rounded to nearest", false});
    }
  }

  std::set<int> blocks_of(ValueId constant) const {
    std::set<int> blocks;
    for (size_t b = 0; b < ranges_.size(); ++b)
      for (int n = ranges_[b].first; n < ranges_[b].last; ++n) {
        const std::vector<ValueId>& inputs = floating_.nodes()[static_cast<size_t>(n)].inputs;
        if (std::find(inputs.begin(), inputs.end(), constant) != inputs.end())
          blocks.insert(static_cast<int>(b));
      }
    return blocks;
  }

  /// Values of block b that later blocks read (or the model gives out).
  std::vector<ValueId> outputs_of(int b) const {
    std::vector<ValueId> outputs;
    std::vector<bool> made(floating_.values().size());
    for (int n = range(b).first; n < range(b).last; ++n)
      for (ValueId output : floating_.nodes()[static_cast<size_t>(n)].outputs)
        if (output != kNoValue) made[index(output)] = true;
    for (ValueId value : live_values(floating_, range(b).last))
      if (made[index(value)]) outputs.push_back(value);
    return outputs;
  }

  void check_weights(int b) const {
    for (const QuantTarget& target : block_targets_[static_cast<size_t>(b)]) {
      const Value& weight = floating_.value(target.weight);
      check_weight(*weight.constant, weight.name);
    }
  }

  std::optional<float> not_finite(ValueId value, const TensorView& tensor) const {
    return first_not_finite(tensor, ended_infinities_[index(value)]);
  }

  bool samples_left() const { return quantized_->samples() > 0; }

  void leave_out(const UselessSamples& useless, const std::string& where) {
    if (useless.empty()) return;
    notes_.push_back({where, "calibration",
                      fmt::format("{} of {} samples left out: {}", useless.size(), quantized_->samples(),
                                  useless.begin()->second),
                      true});
    const bool same = original_ == quantized_;
    quantized_ = quantized_->without(indices_of(useless));
    if (original_) original_ = same ? quantized_ : original_->without(indices_of(useless));
  }

  const BlockRange& range(int b) const { return ranges_[static_cast<size_t>(b)]; }

  /// The activations at the cut before block b, under the block's own ids.
  Activations block_inputs(const std::shared_ptr<ActivationStore>& live, const Subgraph& block) const {
    auto store = std::make_shared<ActivationStore>(machine_.pool, live->samples());
    for (ValueId id : block.graph.inputs())
      if (block.graph.value(id).type.dtype != DType::state)
        for (int s = 0; s < live->samples(); ++s) store->put(s, id, live->find(s, block.origin[index(id)]));
    return Activations(std::move(store));
  }

  void finish(int b) {
    if (options_.store)
      if (auto done = options_.store->load(b, range(b).name)) return take(b, std::move(*done));
    FinishedBlock done = quantize(b);
    if (options_.store) done = options_.store->save(b, range(b).name, std::move(done));
    take(b, std::move(done));
  }

  /// What is left when no sample is.
  void round_to_nearest(int b) {
    for (const QuantTarget& target : block_targets_[static_cast<size_t>(b)]) {
      working_.value(target.weight).constant->set_encoding(target.encoding);
      for (int node : target.nodes)
        notes_.push_back({floating_.nodes()[static_cast<size_t>(node)].name, "rtn",
                          "no calibration sample reaches it with finite numbers: rounded to nearest", true});
    }
  }

  FinishedBlock quantize(int b) {
    const std::vector<ValueId> inputs = live_values(floating_, range(b).first), outputs = outputs_of(b);
    Subgraph before = extract(floating_, inputs, outputs);
    BlockContext context{machine_, range(b).name};
    context.seed = options_.seed * 0x9E3779B97F4A7C15u + static_cast<uint64_t>(b);
    context.targets = targets_within(b, before);
    context.shared.resize(before.graph.values().size());
    for (size_t i = 0; i < context.shared.size(); ++i)
      if (before.graph.values()[i].constant) context.shared[i] = blocks_of(before.origin[i]).size() > 1;
    if (needs_.original_prefix) context.original_inputs = block_inputs(original_, before);
    if (needs_.quantized_prefix) context.quantized_inputs = block_inputs(quantized_, before);
    context.original = std::move(before.graph);
    CalibrationBlock block(context);
    block.graph = extract(working_, inputs, outputs).graph;
    for (const auto& [algorithm, settings] : chain_) {
      context.algorithm = algorithm->name();
      algorithm->apply(block, settings);
      verify(block.graph);
    }
    for (const QuantTarget& target : context.targets) {
      const Value& value = block.graph.value(target.weight);
      Constant& weight = *block.graph.value(target.weight).constant;
      if (!weight.encoding()) weight.set_encoding(target.encoding);
      weight.set_encoded(weight.load_encoded(value.name));
    }
    return {std::move(block.graph), std::move(context.notes)};
  }

  std::vector<QuantTarget> targets_within(int b, const Subgraph& block) const {
    std::map<std::string, int> places;
    for (size_t n = 0; n < block.graph.nodes().size(); ++n)
      places[block.graph.nodes()[n].name] = static_cast<int>(n);
    std::vector<QuantTarget> targets = block_targets_[static_cast<size_t>(b)];
    for (QuantTarget& target : targets) {
      target.weight = block.to_copy(target.weight);
      for (int& node : target.nodes) node = places.at(floating_.nodes()[static_cast<size_t>(node)].name);
    }
    return targets;
  }

  /// Puts a finished block into the model.
  void take(int b, FinishedBlock done) {
    const int before = static_cast<int>(working_.nodes().size());
    splice(working_, range(b).first + shift_, range(b).last + shift_, done.graph);
    shift_ += static_cast<int>(working_.nodes().size()) - before;
    notes_.insert(notes_.end(), done.notes.begin(), done.notes.end());
  }

  /// Carries the activations over block b; `original`: those of the original model, where they are wanted.
  void propagate(int b, int first, std::shared_ptr<ActivationStore> original) {
    const bool split = needs_.quantized_prefix && (original_ != quantized_ || b >= first);
    original_ = std::move(original);
    if (split)
      quantized_ = carried(b, working_, quantized_, "quantized");
    else
      quantized_ = original_ ? original_ : carried(b, floating_, quantized_, "original");
    if (!original_) original_ = quantized_;
  }

  /// The activations behind block b. Samples for which they are not finite are left out of them and of all
  /// others.
  std::shared_ptr<ActivationStore> carried(int b, const Graph& model,
                                           const std::shared_ptr<ActivationStore>& from, const char* which) {
    UselessSamples useless;
    auto to = carry_over(machine_, model, *from, live_values(floating_, range(b).last), {},
                         [&](int sample, ValueId value, const TensorView& tensor) {
                           if (const auto bad = not_finite(value, tensor))
                             useless.emplace(sample, fmt::format("\"{}\" of the {} model is {}",
                                                                 model.value(value).name, which, *bad));
                         });
    leave_out(useless, range(b).name);
    return useless.empty() ? to : to->without(indices_of(useless));
  }

  Graph& working_;
  Graph floating_;  ///< the model as it came
  const std::vector<bool> ended_infinities_;
  const AlgorithmChain& chain_;
  const QuantizeOptions& options_;
  CalibrationNeeds needs_;
  CalibrationMachine machine_;
  std::vector<BlockRange> ranges_;  ///< positions in floating_
  std::vector<std::vector<QuantTarget>> block_targets_;
  int shift_ = 0;  ///< of positions in working_ against those in floating_, at the block at work
  std::shared_ptr<ActivationStore> original_, quantized_;  ///< all that lives at the cut, by the graph's ids
  std::vector<LayerNote> notes_;
};

}  // namespace

std::vector<LayerNote> quantize_blocks(Graph& graph, const AlgorithmChain& chain,
                                       const std::vector<QuantTarget>& targets,
                                       const QuantizeOptions& options) {
  return BlockwiseRun(graph, chain, targets, options).run();
}

}  // namespace halftone
