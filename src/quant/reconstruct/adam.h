#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace halftone {

/// Adam (Kingma and Ba, arXiv:1412.6980) with its usual moments, 0.9 and 0.999, and no weight decay.
class Adam {
 public:
  explicit Adam(size_t count) : mean_(count), square_(count) {}

  void step(std::span<float> parameters, std::span<const float> gradient, float rate) {
    ++steps_;
    const float mean_share = 1 - std::pow(0.9f, static_cast<float>(steps_));
    const float square_share = 1 - std::pow(0.999f, static_cast<float>(steps_));
    for (size_t i = 0; i < parameters.size(); ++i) {
      mean_[i] = 0.9f * mean_[i] + 0.1f * gradient[i];
      square_[i] = 0.999f * square_[i] + 0.001f * gradient[i] * gradient[i];
      parameters[i] -= rate * (mean_[i] / mean_share) / (std::sqrt(square_[i] / square_share) + 1e-8f);
    }
  }

 private:
  std::vector<float> mean_, square_;
  int steps_ = 0;
};

}  // namespace halftone
