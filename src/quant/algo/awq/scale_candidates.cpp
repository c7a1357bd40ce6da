#include "quant/algo/awq/scale_candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace halftone {
namespace {

constexpr int kRatios = 20;
constexpr float kLeast = 1e-4f;

/// Where `mean_activation` is 0 the factor is 1.
std::vector<float> normalised(std::vector<float> factors, std::span<const float> mean_activation) {
  float low = std::numeric_limits<float>::infinity(), high = 0;
  for (size_t c = 0; c < factors.size(); ++c) {
    if (mean_activation[c] == 0) continue;
    factors[c] = std::max(factors[c], kLeast);
    low = std::min(low, factors[c]);
    high = std::max(high, factors[c]);
  }
  const float middle = std::sqrt(low * high);
  for (size_t c = 0; c < factors.size(); ++c) factors[c] = mean_activation[c] == 0 ? 1 : factors[c] / middle;
  return factors;
}

}  // namespace

std::vector<std::vector<float>> awq_candidates(std::span<const float> mean_activation,
                                               std::span<const float> mean_weight) {
  std::vector<std::vector<float>> candidates = {std::vector<float>(mean_activation.size(), 1.0f)};
  for (const bool duo : {false, true}) {
    if (duo && mean_weight.empty()) break;
    for (int i = duo ? 0 : 1; i < kRatios; ++i) {
      const float ratio = static_cast<float>(i) / kRatios;
      std::vector<float> factors;
      for (size_t c = 0; c < mean_activation.size(); ++c)
        factors.push_back(std::pow(mean_activation[c], ratio) /
                          (duo ? std::pow(mean_weight[c], 1 - ratio) + kLeast : 1.0f));
      candidates.push_back(normalised(std::move(factors), mean_activation));
    }
  }
  return candidates;
}

void WeightMagnitudes::add_weights(const Tensor& weights, bool outputs_last, int64_t group) {
  const Tensor floats = to_f32(weights);
  const auto w = floats.span<float>();
  const size_t channels = sums_.size(), outputs = w.size() / channels;
  const auto step = static_cast<size_t>(std::clamp<int64_t>(group, 1, static_cast<int64_t>(channels)));
  auto at = [&](size_t o, size_t c) {
    return std::abs(w[outputs_last ? c * outputs + o : o * channels + c]);
  };
  for (size_t o = 0; o < outputs; ++o)
    for (size_t first = 0; first < channels; first += step) {
      const size_t last = std::min(first + step, channels);
      float largest = 0;
      for (size_t c = first; c < last; ++c) largest = std::max(largest, at(o, c));
      if (largest == 0) continue;
      for (size_t c = first; c < last; ++c) sums_[c] += static_cast<double>(at(o, c) / largest);
    }
  outputs_ += static_cast<double>(outputs);
}

std::vector<float> WeightMagnitudes::means() const {
  std::vector<float> means;
  for (double sum : sums_) means.push_back(static_cast<float>(sum / std::max(outputs_, 1.0)));
  return means;
}

}  // namespace halftone
