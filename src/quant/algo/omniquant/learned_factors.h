#pragma once

#include <memory>
#include <span>
#include <vector>

#include "quant/reconstruct/adam.h"
#include "quant/reconstruct/reconstruct.h"
#include "quant/structure/scale_groups.h"

namespace halftone {

/// OmniQuant's learnable equivalent transformation of one group of layers: a factor exp(l) for each channel
/// of their input, which is divided by it while the layers' weights are multiplied. All l are 0 at the
/// beginning. Tied channels share one l.
class LearnedFactors {
 public:
  /// The group must have an absorption.
  LearnedFactors(ScaleGroup group, float rate);

  const ScaleGroup& group() const { return group_; }
  const std::vector<float>& factors() const { return factors_; }  ///< by channel

  /// Adds to the gradient with respect to the l of a channel.
  void add_slope(int32_t channel, float slope);
  /// Takes one step of Adam with the gradient that has been added up since the last; none without.
  void take_step();

  void keep() { kept_ = logs_; }
  void restore();

 private:
  void set_factors();

  ScaleGroup group_;
  float rate_;
  std::vector<float> logs_, kept_, slopes_, factors_;
  bool slopes_added_ = false;
  Adam adam_;
};

/// Factors of one group at work on a constant: values at index i of `axis` are multiplied with (power 1) or
/// divided by (power -1) the factor of channels[i], or left alone (kNoChannel).
struct FactorUse {
  LearnedFactors* factors = nullptr;
  int axis = 0;
  std::vector<int32_t> channels{};
  int power = 1;
};

/// A floating constant under the factors of all groups that touch it.
class FactoredConstant final : public LearnedConstant {
 public:
  FactoredConstant(Tensor values, std::vector<FactorUse> uses)
      : values_(std::move(values)),
        written_(static_cast<size_t>(values_.shape().elements())),
        uses_(std::move(uses)) {}

  void write(std::span<float> values, Progress) override;
  void learn(std::span<const float> gradient, Progress) override;
  void keep() override;
  void restore() override;

  bool has_factors() const { return !uses_.empty(); }

 private:
  Tensor values_;
  std::vector<float> written_;
  std::vector<FactorUse> uses_;
};

}  // namespace halftone
