#include "quant/algo/omniquant/omniquant.h"

#include <cmath>

#include "quant/reconstruct/adam.h"
#include "quant/reconstruct/learned_grid.h"
#include "quant/reconstruct/reconstruct.h"

namespace halftone {
namespace {

constexpr float kFirst = 4.0f;  ///< sigmoid(4) = 0.982

float sigmoid(float x) {
  return 1 / (1 + std::exp(-x));
}

/// The two ends of every group's range, through sigmoids.
class ClippedWeight final : public LearnedWeight {
 public:
  ClippedWeight(Tensor weights, const Encoding& encoding, const std::string& name, float rate,
                ThreadPool& threads)
      : grid_(std::move(weights), encoding, name),
        rate_(rate),
        threads_(threads),
        ends_(2 * grid_.groups(), kFirst),
        kept_(ends_),
        factors_(ends_.size()),
        slopes_(ends_.size()),
        adam_(ends_.size()) {
    set_factors();
  }

  void write(std::span<float> values, Progress) override {
    set_factors();
    grid_.quantize({}, values, threads_);
  }

  void learn(std::span<const float> gradient, Progress) override {
    const std::span<float> slopes(slopes_);
    grid_.differentiate(gradient, {}, {slopes.first(grid_.groups()), slopes.last(grid_.groups()), {}},
                        threads_);
    for (size_t i = 0; i < slopes.size(); ++i) slopes[i] *= factors_[i] * (1 - factors_[i]);
    adam_.step(ends_, slopes_, rate_);
  }

  void keep() override { kept_ = ends_; }
  void restore() override { ends_ = kept_; }

  std::shared_ptr<const QuantizedTensor> encode() const override { return grid_.encode({}); }

 private:
  void set_factors() {
    for (size_t i = 0; i < ends_.size(); ++i) factors_[i] = sigmoid(ends_[i]);
    const std::span<const float> factors(factors_);
    grid_.set_factors(factors.first(grid_.groups()), factors.last(grid_.groups()));
  }

  LearnedGrid grid_;
  float rate_;
  ThreadPool& threads_;
  std::vector<float> ends_, kept_, factors_, slopes_;  ///< lower ends, then upper ones
  Adam adam_;
};

}  // namespace

std::span<const AlgorithmSetting> OmniQuant::settings() const {
  static constexpr AlgorithmSetting kSettings[] = {
      {"epochs", 20, 1, 1000, "how often each sample is seen"},
      {"batch", 1, 1, 4096, "samples a step"},
      {"rate", 1e-2, 1e-6, 1, "AdamW's rate"},
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
  reconstruct_block(block, options, [&](Tensor weights, const Encoding& encoding, const std::string& name) {
    return std::make_unique<ClippedWeight>(std::move(weights), encoding, name, rate, block.threads());
  });
}

}  // namespace halftone
