#include "quant/algo/int8_static/static_activations.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/ranges.h>
#include <set>

#include "base/error.h"
#include "graph/static_codes.h"
#include "ops/requantizer.h"
#include "quant/algo/int8_static/bias_correction.h"
#include "quant/algo/int8_static/costly_layers.h"
#include "quant/algo/int8_static/end_noise.h"
#include "quant/algo/int8_static/integer_plan.h"
#include "quant/algo/int8_static/layer_times.h"
#include "quant/algo/int8_static/observed_ranges.h"

namespace halftone {
namespace {

constexpr const char* kName = "int8-static";
/// A layer is taken for slower only beyond this: timings of one layer are never quite equal.
constexpr double kSlower = 1.05;

/// What was seen fills half of wide codes: a peak of another sample is not cut, and 15 bits are plenty.
constexpr float kWideRoom = 2;

/// The scale of each group: the union of its values' ranges.
std::vector<CodeScale> group_scales(const Graph& graph, const IntegerPlan& plan,
                                    const std::map<std::string, ObservedRange>& ranges, bool symmetric) {
  std::vector<ClipRange> unions(static_cast<size_t>(plan.groups));
  for (size_t id = 0; id < plan.group.size(); ++id) {
    if (plan.group[id] < 0) continue;
    const auto found = ranges.find(graph.values()[id].name);
    if (found == ranges.end()) continue;  // an alias of a value that is there
    const auto group = static_cast<size_t>(plan.group[id]);
    const ClipRange& seen = plan.wide[group] ? found->second.whole : found->second.clip;
    unions[group].low = std::min(unions[group].low, seen.low);
    unions[group].high = std::max(unions[group].high, seen.high);
  }
  std::vector<CodeScale> scales;
  for (size_t group = 0; group < unions.size(); ++group) {
    const ClipRange& range = unions[group];
    scales.push_back(plan.wide[group] ? fit_wide_codes(kWideRoom * range.low, kWideRoom * range.high)
                                      : fit_codes(range.low, range.high, symmetric));
  }
  return scales;
}

/// The codes of each value that some layer reads or makes as codes.
using ValueCodes = std::map<std::string, CodeScale>;

ValueCodes value_codes(const Graph& graph, const IntegerPlan& plan, const std::vector<CodeScale>& scales) {
  ValueCodes codes;
  for (size_t id = 0; id < plan.group.size(); ++id)
    if (plan.group[id] >= 0) codes[graph.values()[id].name] = scales[static_cast<size_t>(plan.group[id])];
  return codes;
}

void set_encodings(Graph& graph, const IntegerPlan& plan, const ValueCodes& codes,
                   const StaticActivations& recipe) {
  const auto scale = [&](ValueId id) -> const CodeScale& { return codes.at(graph.value(id).name); };
  for (Node& node : graph.nodes()) {
    if (!plan.nodes[static_cast<size_t>(&node - graph.nodes().data())].integer) continue;
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (plan.reads_codes(graph, node, i)) set_codes_in(node, i, scale(plan.scale_of(node, i)));
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (plan.stored[static_cast<size_t>(node.outputs[i])]) set_codes_out(node, i, scale(node.outputs[i]));
    if ((recipe.requantization == Requantization::fixed || recipe.integer_only) && !moves_numbers(node))
      node.attributes.set("requantization", std::string("fixed"));
  }
}

IntegerWishes wishes_of(const StaticActivations& recipe) {
  return {.all = recipe.integer_only, .attention = recipe.log2_softmax};
}

/// Nodes whose weights are quantized.
std::vector<bool> integer_layers(const Graph& graph, const std::vector<QuantTarget>& targets) {
  std::vector<bool> layers(graph.nodes().size());
  for (const QuantTarget& target : targets)
    for (int node : target.nodes)
      layers[static_cast<size_t>(node)] = graph.value(target.weight).constant->encoding().has_value();
  return layers;
}

/// One quantization at work: the graph with codes of its weights, and its floating twin.
class StaticInt8 {
 public:
  StaticInt8(Graph& graph, const Graph& floating, const std::vector<QuantTarget>& targets,
             const StaticActivations& recipe, const QuantizeOptions& options)
      : graph_(graph),
        with_weights_(graph),
        floating_(floating),
        targets_(targets),
        recipe_(recipe),
        options_(options),
        ranges_(observe_ranges(floating, recipe.observer, options)),
        layers_(integer_layers(graph, targets)) {
    refuse_unscalable_inputs();
  }

  std::vector<LayerNote> run() {
    encode();
    if (recipe_.integer_only) {
      refuse_floating();
      note_decisions();
      return std::move(notes_);
    }
    const bool search = recipe_.observer.method == "search";
    if (search || recipe_.floating_share > 0) {
      const EndNoise ends(floating_, options_);
      std::vector<double> noises = search ? choose_ranges(ends) : layer_noises(ends, "");
      if (recipe_.floating_share > 0 && keep_costly_layers(noises)) encode();
    }
    if (recipe_.measure && keep_slower_layers()) encode();
    note_decisions();
    return std::move(notes_);
  }

 private:
  /// A layer whose input is not finite has overflowed: no sample like that says anything of it.
  void refuse_unscalable_inputs() const {
    for (const QuantTarget& target : targets_)
      for (int position : target.nodes) {
        const Value& input = floating_.value(floating_.nodes()[static_cast<size_t>(position)].inputs.front());
        const auto found = ranges_.find(input.name);
        if (found == ranges_.end()) continue;
        if (const std::string why = found->second.unscalable(); !why.empty())
          throw InputError("calibration: {}, which layers read, {}", input.name, why);
      }
  }

  IntegerWishes wishes(const Graph& graph) const {
    IntegerWishes wishes = wishes_of(recipe_);
    for (const Value& value : graph.values()) {
      const auto found = ranges_.find(value.name);
      wishes.unscalable.push_back(found == ranges_.end() ? "" : found->second.unscalable());
    }
    return wishes;
  }

  void refuse_floating() const {
    const std::vector<std::string> names = floating_nodes(graph_, plan_);
    if (names.empty()) return;
    throw UnsupportedError(
        "{}: integers only, but {} of its operators have no integer arithmetic: {}{}", graph_.name,
        names.size(),
        fmt::join(names.begin(), names.begin() + std::min<ptrdiff_t>(8, std::ssize(names)), ", "),
        names.size() > 8 ? ", ..." : "");
  }

  /// Encodings and biases for the layers that are to compute on codes.
  void encode() {
    graph_ = with_weights_;
    for (const QuantTarget& target : targets_)
      if (!is_integer(target)) make_floating(graph_, target);
    plan_ = plan_integers(graph_, layers_, wishes(graph_));
    scales_ = group_scales(graph_, plan_, ranges_, recipe_.symmetric);
    set_encodings(graph_, plan_, value_codes(graph_, plan_, scales_), recipe_);
    if (options_.set_scales) options_.set_scales(graph_);
    correct_biases(graph_, floating_, targets_, options_);
  }

  bool is_integer(const QuantTarget& target) const {
    return layers_[static_cast<size_t>(target.nodes.front())];
  }

  void make_floating(Graph& graph, const QuantTarget& target) const {
    graph.value(target.weight).constant = floating_.value(target.weight).constant;
  }

  void keep_floating(const QuantTarget& target, const std::string& reason) {
    for (int position : target.nodes) {
      layers_[static_cast<size_t>(position)] = false;
      notes_.push_back({name_of(position), kName, "stays floating: " + reason, true});
    }
  }

  const std::string& name_of(int position) const {
    return floating_.nodes()[static_cast<size_t>(position)].name;
  }

  /// The graph with the layers of one target on codes and the others as they were, codes and bias as in
  /// graph_.
  Graph alone(const QuantTarget& target, const ValueCodes& codes) const {
    Graph trial = floating_;
    trial.value(target.weight).constant = graph_.value(target.weight).constant;
    std::vector<bool> layers(layers_.size());
    for (int position : target.nodes) layers[static_cast<size_t>(position)] = true;
    set_encodings(trial, plan_integers(trial, layers, wishes(trial)), codes, recipe_);
    for (int position : target.nodes) {
      const Node& encoded = graph_.nodes()[static_cast<size_t>(position)];
      Node& node = trial.nodes()[static_cast<size_t>(position)];
      if (encoded.inputs.size() <= 2 || encoded.inputs[2] == kNoValue) continue;
      const Value& bias = graph_.value(encoded.inputs[2]);
      node.inputs.resize(std::max<size_t>(node.inputs.size(), 3), kNoValue);
      node.inputs[2] = trial.add_constant(bias.name + "/alone", *bias.constant);
    }
    return trial;
  }

  /// By target: the noise at the ends of the model of it alone on codes, as they are set.
  std::vector<double> layer_noises(const EndNoise& ends, std::string_view ranges) const {
    const ValueCodes codes = value_codes(graph_, plan_, scales_);
    std::vector<double> noises;
    for (size_t t = 0; t < targets_.size(); ++t) {
      if (options_.progress)
        options_.progress(static_cast<int>(t) + 1, static_cast<int>(targets_.size()),
                          ranges.empty() ? "noise of each layer"
                                         : fmt::format("noise of each layer, ranges by {}", ranges));
      noises.push_back(is_integer(targets_[t]) ? ends.of(alone(targets_[t], codes)) : 0);
    }
    return noises;
  }

  /// Takes candidate `choice[group]` for the range of each value and encodes anew.
  void take_ranges(const std::vector<size_t>& choice) {
    for (size_t id = 0; id < plan_.group.size(); ++id) {
      const auto found = ranges_.find(floating_.values()[id].name);
      if (plan_.group[id] < 0 || found == ranges_.end()) continue;
      const std::vector<ClipRange>& candidates = found->second.candidates;
      const size_t chosen = choice[static_cast<size_t>(plan_.group[id])];
      found->second.clip = candidates[chosen < candidates.size() ? chosen : 0];
    }
    encode();
  }

  /// Gives each scale group the candidate under which the layers that read it leave the least noise.
  /// Returns the noise of each target.
  std::vector<double> choose_ranges(const EndNoise& ends) {
    std::vector<std::vector<double>> noises;  // by candidate, target
    for (size_t k = 0; k < kCandidates.size(); ++k) {
      if (k > 0) take_ranges(std::vector<size_t>(static_cast<size_t>(plan_.groups), k));
      noises.push_back(layer_noises(ends, kCandidates[k]));
    }
    std::vector<std::array<double, kCandidates.size()>> sums(static_cast<size_t>(plan_.groups));
    std::vector<std::set<size_t>> read(targets_.size());  // groups, by target
    for (size_t t = 0; t < targets_.size(); ++t) {
      if (!is_integer(targets_[t])) continue;
      for (const int position : targets_[t].nodes) {
        const Node& node = floating_.nodes()[static_cast<size_t>(position)];
        const int group = plan_.group[static_cast<size_t>(plan_.scale_of(node, 0))];
        if (group >= 0) read[t].insert(static_cast<size_t>(group));
      }
      for (const size_t group : read[t])
        for (size_t k = 0; k < kCandidates.size(); ++k) sums[group][k] += noises[k][t];
    }
    std::vector<size_t> choice;
    for (const auto& sum : sums)
      choice.push_back(static_cast<size_t>(std::min_element(sum.begin(), sum.end()) - sum.begin()));
    take_ranges(choice);

    std::vector<double> chosen(targets_.size());
    for (size_t t = 0; t < targets_.size(); ++t) {
      if (read[t].empty()) continue;
      const size_t k = choice[*read[t].begin()];
      chosen[t] = noises[k][t];
      if (k != 0)
        notes_.push_back({name_of(targets_[t].nodes.front()), kName,
                          fmt::format("range of its input by {}: {:.1f} dB at the ends of the model, {:.1f} "
                                      "by {}",
                                      kCandidates[k], -10 * std::log10(noises[k][t]),
                                      -10 * std::log10(noises[0][t]), kCandidates[0]),
                          false});
    }
    return chosen;
  }

  bool keep_costly_layers(const std::vector<double>& noises) {
    const std::vector<double> work = multiply_adds(floating_, targets_, options_.data->sample(0));
    std::vector<LayerCost> costs;
    for (size_t t = 0; t < targets_.size(); ++t) costs.push_back({noises[t], work[t]});
    const std::vector<bool> floating = choose_floating(costs, recipe_);
    for (size_t t = 0; t < targets_.size(); ++t)
      if (floating[t])
        keep_floating(targets_[t], fmt::format("its codes alone cost {:.1f} dB at the ends of the model",
                                               -10 * std::log10(costs[t].noise)));
    return std::find(floating.begin(), floating.end(), true) != floating.end();
  }

  bool keep_slower_layers() {
    const auto integer = layer_times(graph_, options_), floating = layer_times(floating_, options_);
    bool any = false;
    for (const QuantTarget& target : targets_) {
      if (!is_integer(target)) continue;
      double codes = 0, floats = 0;
      for (int position : target.nodes) {
        codes += integer.at(name_of(position));
        floats += floating.at(name_of(position));
      }
      if (codes <= kSlower * floats) continue;
      any = true;
      keep_floating(target, fmt::format("measured {:.1f} us in integers, {:.1f} us in floating point",
                                        codes * 1e3, floats * 1e3));
    }
    return any;
  }

  void note_decisions() {
    for (size_t id = 0; id < plan_.group.size(); ++id) {  // corrected biases stand behind
      const Value& value = graph_.values()[id];
      const auto seen = ranges_.find(value.name);
      if (plan_.group[id] >= 0 && seen != ranges_.end() && seen->second.clip == ClipRange{})
        notes_.push_back(
            {value.name, kName, "always 0 in all samples: nothing says what its scale should be", true});
    }
    for (size_t n = 0; n < graph_.nodes().size(); ++n) {
      const Node& node = graph_.nodes()[n];
      const IntegerNode& made = plan_.nodes[n];
      if (!made.integer) {
        if (works_on_codes(graph_, node))
          notes_.push_back({node.name, kName, "stays floating: " + made.reason, false});
        continue;
      }
      if (node.schema->name != "Concat") continue;
      const CodeScale& scale =
          scales_[static_cast<size_t>(plan_.group[static_cast<size_t>(node.outputs[0])])];
      notes_.push_back({node.name, kName,
                        fmt::format("its inputs and its output share the scale {:.6g}", scale.scale), false});
    }
  }

  Graph& graph_;
  const Graph with_weights_;
  const Graph& floating_;
  const std::vector<QuantTarget>& targets_;
  const StaticActivations& recipe_;
  const QuantizeOptions& options_;
  std::map<std::string, ObservedRange> ranges_;
  std::vector<bool> layers_;  ///< by node: computes on codes
  IntegerPlan plan_;
  std::vector<CodeScale> scales_;  ///< by group of the plan
  std::vector<LayerNote> notes_;
};

}  // namespace

std::vector<LayerNote> set_static_activations(Graph& graph, const Graph& floating,
                                              const std::vector<QuantTarget>& targets,
                                              const StaticActivations& recipe,
                                              const QuantizeOptions& options) {
  if (!options.data || options.data->samples() == 0)
    throw UsageError("static activations need calibration data (--calib FOLDER)");
  for (ValueId input : floating.inputs())
    if (floating.value(input).type.dtype == DType::state)
      throw UnsupportedError("{}: static activations of a model with a state ({}); int8-dynamic takes it",
                             floating.name, floating.value(input).name);
  return StaticInt8(graph, floating, targets, recipe, options).run();
}

void assume_static_activations(Graph& graph, const std::vector<QuantTarget>& targets,
                               const StaticActivations& recipe,
                               const std::vector<std::string>& without_scales) {
  IntegerWishes wishes = wishes_of(recipe);
  const std::vector<bool> layers = integer_layers(graph, targets);
  for (const Value& value : graph.values())
    wishes.unscalable.push_back(std::ranges::count(without_scales, value.name) > 0 ? "is given none" : "");
  for (size_t n = 0; n < layers.size(); ++n)
    for (const ValueId input : graph.nodes()[n].inputs)
      if (layers[n] && input != kNoValue) wishes.unscalable[static_cast<size_t>(input)].clear();
  const IntegerPlan plan = plan_integers(graph, layers, wishes);
  std::vector<CodeScale> scales;
  for (const bool wide : plan.wide)
    scales.push_back(wide ? fit_wide_codes(-1, 1) : fit_codes(-1, 1, recipe.symmetric));
  set_encodings(graph, plan, value_codes(graph, plan, scales), recipe);
}

}  // namespace halftone
