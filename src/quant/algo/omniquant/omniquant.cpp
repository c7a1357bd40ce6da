#include "quant/algo/omniquant/omniquant.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "quant/algo/omniquant/learned_factors.h"
#include "quant/reconstruct/adam.h"
#include "quant/reconstruct/learned_grid.h"
#include "quant/reconstruct/reconstruct.h"
#include "quant/structure/channel_factors.h"
#include "quant/structure/group_targets.h"

namespace halftone {
namespace {

constexpr float kFirst = 4.0f;  ///< sigmoid(4) = 0.982

float sigmoid(float x) {
  return 1 / (1 + std::exp(-x));
}

/// The two ends of every group's range, through sigmoids, of a weight that may have factors.
class ClippedWeight final : public LearnedWeight {
 public:
  ClippedWeight(const Tensor& weights, std::vector<FactorUse> uses, const Encoding& encoding,
                const std::string& name, float rate, ThreadPool& threads)
      : factored_(weights, std::move(uses)),
        grid_(weights, encoding, name),
        rate_(rate),
        threads_(threads),
        ends_(2 * grid_.groups(), kFirst),
        kept_(ends_),
        shares_(ends_.size()),
        slopes_(ends_.size()),
        adam_(ends_.size()) {
    set_shares();
  }

  void write(std::span<float> values, Progress progress) override {
    if (factored_.has_factors()) {
      factored_.write(values, progress);
      grid_.set_weights(values);
    }
    set_shares();
    grid_.quantize({}, values, threads_);
  }

  void learn(std::span<const float> gradient, Progress progress) override {
    const std::span<float> slopes(slopes_);
    const bool factors = factored_.has_factors();
    if (factors) through_rounding_.resize(grid_.elements());
    const LearnedGrid::Gradients made{slopes.first(grid_.groups()), slopes.last(grid_.groups()),
                                      through_rounding_};
    grid_.differentiate(gradient, {}, made, threads_);
    if (factors) {
      std::vector<float> of_weights(grid_.elements());
      grid_.weights_gradient(made, of_weights, threads_);
      factored_.learn(of_weights, progress);
    }
    for (size_t i = 0; i < slopes.size(); ++i) slopes[i] *= shares_[i] * (1 - shares_[i]);
    adam_.step(ends_, slopes_, rate_);
  }

  void keep() override {
    factored_.keep();
    kept_ = ends_;
  }
  void restore() override {
    factored_.restore();
    ends_ = kept_;
  }

  std::shared_ptr<const QuantizedTensor> encode() const override { return grid_.encode({}); }

 private:
  void set_shares() {
    for (size_t i = 0; i < ends_.size(); ++i) shares_[i] = sigmoid(ends_[i]);
    const std::span<const float> shares(shares_);
    grid_.set_factors(shares.first(grid_.groups()), shares.last(grid_.groups()));
  }

  FactoredConstant factored_;
  LearnedGrid grid_;
  float rate_;
  ThreadPool& threads_;
  std::vector<float> ends_, kept_, shares_, slopes_;  ///< lower ends, then upper ones
  std::vector<float> through_rounding_;
  Adam adam_;
};

/// The learnable equivalent transformation of a block: a LearnedFactors for each group whose input can be
/// divided, and what they do to each constant.
struct Transformation {
  std::vector<std::unique_ptr<LearnedFactors>> groups;
  std::map<ValueId, std::vector<FactorUse>> uses;
};

/// Groups whose constants an earlier algorithm of the chain has coded are left alone.
Transformation transformation_of(const CalibrationBlock& block, float rate) {
  Transformation made;
  auto constant_of = [&](int node, int slot) {
    return block.graph.nodes()[static_cast<size_t>(node)].inputs[static_cast<size_t>(slot)];
  };
  auto coded = [&](int node, int slot) {
    return block.graph.value(constant_of(node, slot)).constant->encoding().has_value();
  };
  for (ScaleGroup& group : target_groups(block)) {
    if (!group.absorption) continue;
    bool any = false;
    for (int layer : group.layers) any |= coded(layer, 1);
    for (const Absorber& absorber : group.absorption->absorbers) any |= coded(absorber.node, absorber.slot);
    if (any) continue;
    made.groups.push_back(std::make_unique<LearnedFactors>(std::move(group), rate));
    LearnedFactors& factors = *made.groups.back();
    for (const Absorber& absorber : factors.group().absorption->absorbers)
      made.uses[constant_of(absorber.node, absorber.slot)].push_back(
          {&factors, absorber.axis, absorber.channels, -1});
    for (int layer : factors.group().layers) {
      std::vector<int32_t> channels(factors.factors().size());
      std::iota(channels.begin(), channels.end(), 0);
      const int axis = layer_form(block.graph, block.graph.nodes()[static_cast<size_t>(layer)])->weight_axis;
      made.uses[constant_of(layer, 1)].push_back({&factors, axis, std::move(channels), 1});
    }
  }
  return made;
}

}  // namespace

std::span<const AlgorithmSetting> OmniQuant::settings() const {
  static constexpr AlgorithmSetting kSettings[] = {
      {"epochs", 20, 1, 1000, "how often each sample is seen"},
      {"batch", 1, 1, 4096, "samples a step"},
      {"rate", 1e-2, 1e-6, 1, "AdamW's rate"},
      {"let", 1, 0, 1, "learn factors of input channels too (learnable equivalent transformation)"},
      {"let_rate", 1e-3, 1e-6, 1, "AdamW's rate for their logarithms"},
  };
  return kSettings;
}

void OmniQuant::apply(CalibrationBlock& block, const AlgorithmSettings& settings) const {
  ReconstructionOptions options;
  options.batch = std::min(static_cast<int>(settings.at("batch")), block.samples());
  options.iterations = static_cast<int>(settings.at("epochs")) * block.samples() / options.batch;
  options.seed = block.seed();
  options.keep_best = false;
  const float rate = static_cast<float>(settings.at("rate"));

  Transformation transformation;
  if (settings.at("let") != 0)
    transformation = transformation_of(block, static_cast<float>(settings.at("let_rate")));
  LearnedBlock learned;
  learned.make = [&](const QuantTarget& target, const Tensor& weights, const std::string& name) {
    return std::make_unique<ClippedWeight>(weights, transformation.uses[target.weight], target.encoding, name,
                                           rate, block.threads());
  };
  for (const auto& [constant, uses] : transformation.uses) {
    const bool learned_as_target =
        std::ranges::any_of(block.targets(), [constant = constant](const QuantTarget& target) {
          return target.weight == constant && LearnedGrid::handles(target.encoding);
        });
    if (learned_as_target) continue;
    learned.others.push_back(constant);
    learned.others_learned.push_back(
        std::make_unique<FactoredConstant>(to_f32(block.graph.value(constant).constant->load()), uses));
  }
  learned.accept = [&] {
    for (const auto& factors : transformation.groups)
      divide_channels(block.graph, factors->group(), factors->factors());
  };
  reconstruct_block(block, options, learned);
}

}  // namespace halftone
