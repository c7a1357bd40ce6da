#include "quant/algo/autoround/autoround.h"

#include <algorithm>

#include "quant/reconstruct/learned_grid.h"
#include "quant/reconstruct/reconstruct.h"

namespace halftone {
namespace {

void sign_step(std::span<float> parameters, std::span<const float> gradient, float rate) {
  for (size_t i = 0; i < parameters.size(); ++i)
    parameters[i] -= gradient[i] > 0 ? rate : gradient[i] < 0 ? -rate : 0;
}

/// Offsets of the rounding, and the factors of the ranges.
struct Parameters {
  std::vector<float> offsets, low, high;
};

class RoundedWeight final : public LearnedWeight {
 public:
  RoundedWeight(Tensor weights, const Encoding& encoding, const std::string& name, bool learn_range,
                ThreadPool& threads)
      : grid_(std::move(weights), encoding, name), learn_range_(learn_range), threads_(threads) {
    now_.offsets.resize(grid_.elements());
    now_.low.assign(grid_.groups(), 1.0f);
    now_.high = now_.low;
    kept_ = now_;
    slopes_ = now_;
  }

  void write(std::span<float> values, Progress) override {
    grid_.set_factors(now_.low, now_.high);
    grid_.quantize(now_.offsets, values, threads_);
  }

  void learn(std::span<const float> gradient, Progress progress) override {
    grid_.differentiate(gradient, now_.offsets, {slopes_.low, slopes_.high, slopes_.offsets}, threads_);
    const float rate = progress.left() / static_cast<float>(progress.iterations);
    sign_step(now_.offsets, slopes_.offsets, rate);
    if (!learn_range_) return;
    for (auto [factors, slopes] :
         {std::pair{&now_.low, &slopes_.low}, std::pair{&now_.high, &slopes_.high}}) {
      sign_step(*factors, *slopes, rate);
      for (float& factor : *factors) factor = std::clamp(factor, 0.0f, 1.0f);
    }
  }

  void keep() override { kept_ = now_; }
  void restore() override { now_ = kept_; }

  std::shared_ptr<const QuantizedTensor> encode() const override { return grid_.encode(now_.offsets); }

 private:
  LearnedGrid grid_;
  bool learn_range_;
  ThreadPool& threads_;
  Parameters now_, kept_, slopes_;
};

}  // namespace

std::span<const AlgorithmSetting> AutoRound::settings() const {
  static constexpr AlgorithmSetting kSettings[] = {
      {"iterations", 200, 1, 100000, "steps of sign gradient descent"},
      {"batch", 8, 1, 4096, "samples a step"},
      {"learn_range", 1, 0, 1, "learn the clip factors too"},
  };
  return kSettings;
}

void AutoRound::apply(CalibrationBlock& block, const AlgorithmSettings& settings) const {
  ReconstructionOptions options;
  options.iterations = static_cast<int>(settings.at("iterations"));
  options.batch = static_cast<int>(settings.at("batch"));
  options.seed = block.seed();
  const bool learn_range = settings.at("learn_range") != 0;
  reconstruct_block(block, options, {[&](const QuantTarget& target, Tensor weights, const std::string& name) {
                      return std::make_unique<RoundedWeight>(std::move(weights), target.encoding, name,
                                                             learn_range, block.threads());
                    }});
}

}  // namespace halftone
