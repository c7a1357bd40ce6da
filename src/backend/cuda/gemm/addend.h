#pragma once

#include "backend/cuda/cuda.h"
#include "backend/cuda/gemm/gemm_output.h"

namespace halftone::cuda {

/// What is the same in every product of a Gemm's site: C (as f32, where it is a constant, to be uploaded),
/// alpha, beta and the activation.
class Addend {
 public:
  explicit Addend(const OpSite& site);

  const Tensor& constant() const { return constant_; }  ///< empty where C is absent or computed
  /// `c`: the constant C on the device.
  GemmOutput output(const KernelRun& run, const std::byte* c) const;

 private:
  Tensor constant_;
  float alpha_, beta_;
  DeviceActivation activation_;
};

}  // namespace halftone::cuda
