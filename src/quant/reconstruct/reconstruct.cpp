#include "quant/reconstruct/reconstruct.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "quant/reconstruct/learned_grid.h"
#include "quant/structure/group_targets.h"

namespace halftone {
namespace {

/// Sample indices in rounds of random order.
class SampleDraw {
 public:
  SampleDraw(int samples, uint64_t seed)
      : order_(static_cast<size_t>(samples)), at_(order_.size()), random_(seed) {
    std::iota(order_.begin(), order_.end(), 0);
  }

  int next() {
    if (at_ == order_.size()) {
      for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random_() % i]);
      at_ = 0;
    }
    return order_[at_++];
  }

 private:
  std::vector<int> order_;
  size_t at_;
  std::mt19937_64 random_;
};

void write_trials(ReconstructionLoss& loss, std::span<LearnedConstant* const> constants, Progress progress) {
  for (size_t i = 0; i < constants.size(); ++i) constants[i]->write(loss.trial(i).span<float>(), progress);
}

std::vector<double> evaluate_all(ReconstructionLoss& loss) {
  std::vector<double> squares;
  for (int sample = 0; sample < loss.samples(); ++sample) squares.push_back(loss.evaluate(sample));
  return squares;
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

}  // namespace

ReconstructionResult reconstruct(ReconstructionLoss& loss, std::span<LearnedConstant* const> constants,
                                 const ReconstructionOptions& options) {
  const double elements = static_cast<double>(loss.elements());
  const Progress finished{options.iterations, options.iterations};
  write_trials(loss, constants, finished);
  const std::vector<double> at_first = evaluate_all(loss);
  for (LearnedConstant* constant : constants) constant->keep();

  SampleDraw draw(loss.samples(), options.seed);
  const int batch = std::min(options.batch, loss.samples());
  double best = HUGE_VAL;
  std::vector<float> gradient;
  for (int iteration = 0; iteration <= options.iterations; ++iteration) {
    const Progress progress{iteration, options.iterations};
    write_trials(loss, constants, progress);
    if (iteration == options.iterations && !options.keep_best) break;
    loss.clear_gradients();
    double squares = 0, squares_at_first = 0;
    for (int i = 0; i < batch; ++i) {
      const int sample = draw.next();
      squares += loss.differentiate(sample);
      squares_at_first += at_first[static_cast<size_t>(sample)];
    }
    const double score = squares_at_first > 0 ? squares / squares_at_first : squares;
    if (options.keep_best && score < best) {
      best = score;
      for (LearnedConstant* constant : constants) constant->keep();
    }
    if (iteration == options.iterations) break;
    // The mean over as many elements as the batch has of all.
    const float share = static_cast<float>(loss.samples() / (elements * batch));
    for (size_t i = 0; i < constants.size(); ++i) {
      const auto made = loss.gradient(i).span<float>();
      gradient.resize(made.size());
      std::ranges::transform(made, gradient.begin(), [share](float g) { return g * share; });
      constants[i]->learn(gradient, progress);
    }
  }
  if (options.keep_best)
    for (LearnedConstant* constant : constants) constant->restore();
  write_trials(loss, constants, finished);
  return {sum(at_first) / elements, sum(evaluate_all(loss)) / elements, loss.energy() / elements};
}

namespace {

/// Nothing is learned of weights that multiply zeros.
void report_dead_inputs(CalibrationBlock& block) {
  for (const ScaleGroup& group : target_groups(block)) {
    const ChannelStatistics seen = observe_channels(block, block.inputs(Prefix::quantized), group);
    if (const auto dead = std::ranges::count(seen.largest_magnitude, 0.0f))
      block.fallback(first_target(block, group),
                     fmt::format("{} of {} inputs are always 0: nothing is learned of their weights", dead,
                                 seen.largest_magnitude.size()));
  }
}

}  // namespace

void reconstruct_block(CalibrationBlock& block, const ReconstructionOptions& options,
                       const LearnedBlock& learned) {
  std::vector<const QuantTarget*> targets;
  std::vector<ValueId> trials;
  std::vector<std::unique_ptr<LearnedWeight>> weights;
  std::vector<LearnedConstant*> constants;
  for (const QuantTarget& target : block.targets()) {
    const Value& value = block.graph.value(target.weight);
    if (value.constant->encoding()) continue;  // an earlier algorithm of the chain chose its codes
    if (!LearnedGrid::handles(target.encoding)) {
      block.fallback(target.nodes[0],
                     fmt::format("{} has no rounding to learn; rounded to nearest", target.encoding.str()));
      continue;
    }
    targets.push_back(&target);
    trials.push_back(target.weight);
    weights.push_back(learned.make(target, to_f32(value.constant->load()), value.name));
    constants.push_back(weights.back().get());
  }
  if (targets.empty()) return;
  report_dead_inputs(block);
  trials.insert(trials.end(), learned.others.begin(), learned.others.end());
  for (const auto& other : learned.others_learned) constants.push_back(other.get());

  ReconstructionLoss loss(block, trials);
  std::vector<std::shared_ptr<const QuantizedTensor>> at_first;
  for (const auto& weight : weights) at_first.push_back(weight->encode());
  const ReconstructionResult result = reconstruct(loss, constants, options);
  const bool better = result.after < result.before;
  if (better) learned.accept();
  for (size_t i = 0; i < targets.size(); ++i) {
    Constant& constant = *block.graph.value(targets[i]->weight).constant;
    constant.set_encoded(better ? weights[i]->encode() : at_first[i]);
    if (better)
      block.note(targets[i]->nodes[0],
                 fmt::format("relative output error of the block {:.3e}, was {:.3e}",
                             result.after / result.energy, result.before / result.energy));
    else
      block.fallback(targets[i]->nodes[0],
                     "learning did not lower the output error of the block; rounded to nearest");
  }
}

}  // namespace halftone
