#pragma once

#include "backend/cpu/tile/epilogue.h"
#include "backend/cpu/window/planes.h"
#include "backend/kernel.h"
#include "ops/conv/conv.h"

namespace halftone::cpu {

/// Why a Conv is none that the float kernels take, whatever its groups; empty when it may be. X lies in
/// `input`, Y and the residual channels-last.
Refusal float_conv_refusal(const OpSite& site, Storage::Order input);

/// Constant weights and biases as f32: weight(m, c, t).
class ConvWeights {
 public:
  explicit ConvWeights(const OpSite& site);
  float weight(int64_t m, int64_t c, int64_t t) const {
    return weights_.span<float>()[static_cast<size_t>((m * channels_ + c) * taps_ + t)];
  }
  float bias(int64_t m) const { return has_bias_ ? bias_.span<float>()[static_cast<size_t>(m)] : 0.0f; }
  int64_t outputs() const { return weights_.shape()[0]; }
  int64_t group_inputs() const { return channels_; }
  int64_t taps() const { return taps_; }

 private:
  Tensor weights_, bias_;
  bool has_bias_;
  int64_t channels_, taps_ = 1;
};

}  // namespace halftone::cpu
