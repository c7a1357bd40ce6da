#include "tune/sensitivity.h"

#include <algorithm>

#include "base/error.h"
#include "eval/perplexity.h"
#include "quant/calib/block_cuts.h"
#include "quant/calib/carry_over.h"
#include "quant/quantize_graph.h"

namespace halftone {
namespace {

/// Sums over rows of logits.
class LogitsMeter {
 public:
  void add(const TensorView& made, const TensorView& wanted) {
    const auto width = static_cast<size_t>(wanted.shape.back());
    const auto p = wanted.span<float>(), q = made.span<float>();
    for (size_t at = 0; at + width <= p.size(); at += width) {
      const auto p_row = p.subspan(at, width), q_row = q.subspan(at, width);
      divergence_ += kl_divergence(p_row, q_row);
      same_ +=
          std::ranges::max_element(p_row) - p_row.begin() == std::ranges::max_element(q_row) - q_row.begin();
      ++rows_;
    }
  }
  double kld() const { return divergence_ / rows_; }
  double agreement() const { return same_ / rows_; }

 private:
  double divergence_ = 0, same_ = 0, rows_ = 0;
};

/// What is quantized at one time.
struct Unit {
  std::string name;
  std::vector<QuantTarget> targets;
};

std::vector<Unit> units_of(const Graph& graph, const BlockRange& block,
                           const std::vector<QuantTarget>& targets, bool by_block) {
  std::vector<Unit> units;
  for (const QuantTarget& target : targets) {
    const int node = target.nodes.front();
    if (node < block.first || node >= block.last) continue;
    if (!by_block || units.empty())
      units.push_back({by_block ? block.name : graph.nodes()[static_cast<size_t>(node)].name, {}});
    units.back().targets.push_back(target);
  }
  return units;
}

ValueId output_of(const Graph& graph, const Unit& unit) {
  return graph.nodes()[static_cast<size_t>(unit.targets.back().nodes.front())].outputs[0];
}

ValueId model_output(const Graph& graph) {
  for (ValueId output : graph.outputs())
    if (is_float(graph.value(output).type.dtype)) return output;
  throw UnsupportedError("{}: no floating output to measure", graph.name);
}

}  // namespace

std::vector<Sensitivity> measure_sensitivity(const Graph& graph, const Recipe& recipe,
                                             const CalibrationData& data, bool logits,
                                             const SensitivityOptions& options) {
  const CalibrationMachine machine =
      make_machine(graph, data, options.backend, options.threads, options.memory);
  const std::vector<QuantTarget> targets = find_targets(graph, recipe).quantized;
  if (targets.empty()) throw UsageError("recipe {} quantizes nothing in {}", recipe.name, graph.name);
  const std::vector<BlockRange> blocks = cut_blocks(graph, data.sample(0));
  const ValueId end = model_output(graph);

  // The original first: activations before each block, outputs of each unit and of the model.
  std::vector<std::vector<Unit>> units;
  std::vector<std::shared_ptr<ActivationStore>> before{stored_samples(machine, graph)};
  ActivationStore wanted(machine.pool, data.samples());
  int total = 0;
  for (size_t b = 0; b < blocks.size(); ++b) {
    units.push_back(units_of(graph, blocks[b], targets, options.by_block));
    total += static_cast<int>(units.back().size());
    std::vector<ValueId> watch;
    for (const Unit& unit : units.back()) watch.push_back(output_of(graph, unit));
    if (b + 1 == blocks.size()) watch.push_back(end);
    before.push_back(carry_over(machine, graph, *before.back(), live_values(graph, blocks[b].last), watch,
                                [&](int sample, ValueId value, const TensorView& x) {
                                  if (std::find(watch.begin(), watch.end(), value) != watch.end())
                                    wanted.put(sample, value, x);
                                }));
  }

  std::vector<Sensitivity> results;
  for (size_t b = 0; b < blocks.size(); ++b)
    for (const Unit& unit : units[b]) {
      if (options.progress) options.progress(static_cast<int>(results.size()), total);
      Graph trial = graph;
      Sensitivity result;
      result.name = unit.name;
      for (const QuantTarget& target : unit.targets) {
        const double plain = graph.value(target.weight).constant->stored_bytes();
        encode_target(trial, recipe, target);
        result.bytes_saved += plain - trial.value(target.weight).constant->stored_bytes();
        result.weights = target.encoding.str();
      }
      const ValueId own = output_of(graph, unit);
      ClosenessMeter near, far;
      LogitsMeter distributions;
      std::map<std::string, std::unique_ptr<State>> states;
      run_piece(
          machine, trial, *before[b], std::vector<ValueId>{own, end},
          [&](int sample, ValueId value, const TensorView& x) {
            const Tensor expected = wanted.find(sample, value)->load();
            if (value == own) near.add(x, expected.view());
            if (value != end) return;
            far.add(x, expected.view());
            if (logits) distributions.add(x, expected.view());
          },
          states);
      result.output = near.result();
      result.model_output = far.result();
      if (logits) {
        result.kld = distributions.kld();
        result.top1_agreement = distributions.agreement();
      }
      results.push_back(std::move(result));
    }
  if (options.progress) options.progress(total, total);
  return results;
}

}  // namespace halftone
