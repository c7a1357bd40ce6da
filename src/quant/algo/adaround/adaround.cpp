#include "quant/algo/adaround/adaround.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "quant/reconstruct/adam.h"
#include "quant/reconstruct/learned_grid.h"
#include "quant/reconstruct/reconstruct.h"

namespace halftone {
namespace {

constexpr float kStretch = 1.2f, kShift = -0.1f;  ///< h = clip(kStretch sigmoid(a) + kShift, 0, 1)
constexpr float kWarmUp = 0.2f;                   ///< part of the run without a penalty
constexpr float kFirstPower = 20, kLastPower = 2;

struct Rates {
  float learning;
  float strength;  ///< of the penalty
  float channels;  ///< of the block's output: what makes a sum over them of a mean
};

float sigmoid(float x) {
  return 1 / (1 + std::exp(-x));
}

/// One number for each weight: rounded down, or up.
class AdaptiveWeight final : public LearnedWeight {
 public:
  AdaptiveWeight(Tensor weights, const Encoding& encoding, const std::string& name, const Rates& rates,
                 ThreadPool& threads)
      : grid_(std::move(weights), encoding, name),
        rates_(rates),
        threads_(threads),
        down_(grid_.elements()),
        logits_(grid_.elements()),
        slopes_(grid_.elements()),
        adam_(grid_.elements()) {
    const auto w = grid_.weights().span<float>();
    grid_.for_groups(threads_, [&](size_t group, size_t first, size_t last) {
      const float scale = grid_.scale(group), inverse = scale == 0 ? 0 : 1 / scale;
      for (size_t i = first; i < last; ++i) {
        down_[i] = std::floor(w[i] * inverse);
        const float up = std::clamp(w[i] * inverse - down_[i], 1e-4f, 1 - 1e-4f);
        logits_[i] = -std::log(kStretch / (up - kShift) - 1);
      }
    });
  }

  void write(std::span<float> values, Progress progress) override {
    if (progress.iteration == progress.iterations) return grid_.quantize(hard_offsets(), values, threads_);
    const float most = static_cast<float>((1 << grid_.bits()) - 1);
    grid_.for_groups(threads_, [&](size_t group, size_t first, size_t last) {
      const float scale = grid_.scale(group), zero = grid_.zero(group);
      for (size_t i = first; i < last; ++i)
        values[i] = scale * (std::clamp(down_[i] + share_up(i) + zero, 0.0f, most) - zero);
    });
  }

  void learn(std::span<const float> gradient, Progress progress) override {
    const float done = 1 - progress.left();
    const bool penalised = done >= kWarmUp;
    const float turn = std::cos((done - kWarmUp) / (1 - kWarmUp) * std::numbers::pi_v<float>);
    const float power = kLastPower + 0.5f * (kFirstPower - kLastPower) * (1 + turn);
    const float most = static_cast<float>((1 << grid_.bits()) - 1);
    grid_.for_groups(threads_, [&](size_t group, size_t first, size_t last) {
      const float scale = grid_.scale(group), zero = grid_.zero(group);
      for (size_t i = first; i < last; ++i) {
        const float gate = sigmoid(logits_[i]), up = kStretch * gate + kShift;
        if (up <= 0 || up >= 1) {
          slopes_[i] = 0;
          continue;
        }
        const float code = down_[i] + up + zero;
        float slope = code < 0 || code > most ? 0 : 2 * rates_.channels * gradient[i] * scale;
        if (penalised) {
          const float side = 2 * up - 1;
          slope -= rates_.strength * 2 * power * std::copysign(std::pow(std::abs(side), power - 1), side);
        }
        slopes_[i] = slope * kStretch * gate * (1 - gate);
      }
    });
    adam_.step(logits_, slopes_, rates_.learning);
  }

  void keep() override { kept_ = logits_; }
  void restore() override { logits_ = kept_; }

  std::shared_ptr<const QuantizedTensor> encode() const override { return grid_.encode(hard_offsets()); }

 private:
  float share_up(size_t i) const { return std::clamp(kStretch * sigmoid(logits_[i]) + kShift, 0.0f, 1.0f); }

  /// What makes round(w / scale + offset) the code chosen.
  std::vector<float> hard_offsets() const {
    std::vector<float> offsets(down_.size());
    const auto w = grid_.weights().span<float>();
    grid_.for_groups(threads_, [&](size_t group, size_t first, size_t last) {
      const float scale = grid_.scale(group), inverse = scale == 0 ? 0 : 1 / scale;
      for (size_t i = first; i < last; ++i)
        offsets[i] = down_[i] + (share_up(i) >= 0.5f ? 1.0f : 0.0f) - w[i] * inverse;
    });
    return offsets;
  }

  LearnedGrid grid_;
  Rates rates_;
  ThreadPool& threads_;
  std::vector<float> down_, logits_, slopes_, kept_;
  Adam adam_;
};

/// Of [batch, channels, height, width], else along the last axis.
float output_channels(const Graph& graph) {
  for (ValueId output : graph.outputs()) {
    const ValueType& type = graph.value(output).type;
    if (!is_float(type.dtype) || type.shape.rank() == 0) continue;
    const int64_t channels = type.shape.rank() == 4 ? type.shape[1] : type.shape.back();
    return static_cast<float>(std::max<int64_t>(channels, 1));
  }
  return 1;
}

}  // namespace

std::span<const AlgorithmSetting> AdaRound::settings() const {
  static constexpr AlgorithmSetting kSettings[] = {
      {"iterations", 10000, 1, 1000000, "steps of Adam"},
      {"batch", 32, 1, 4096, "samples a step"},
      {"rate", 1e-3, 1e-6, 1, "Adam's rate"},
      {"strength", 0.01, 0, 100, "of the penalty that drives roundings to up or down"},
  };
  return kSettings;
}

void AdaRound::apply(CalibrationBlock& block, const AlgorithmSettings& settings) const {
  ReconstructionOptions options;
  options.iterations = static_cast<int>(settings.at("iterations"));
  options.batch = static_cast<int>(settings.at("batch"));
  options.seed = block.seed();
  options.keep_best = false;
  const Rates rates{static_cast<float>(settings.at("rate")), static_cast<float>(settings.at("strength")),
                    output_channels(block.original())};
  reconstruct_block(block, options, {[&](const QuantTarget& target, Tensor weights, const std::string& name) {
                      return std::make_unique<AdaptiveWeight>(std::move(weights), target.encoding, name,
                                                              rates, block.threads());
                    }});
}

}  // namespace halftone
