#pragma once

#include "backend/kernel.h"
#include "core/tensor.h"

namespace halftone::cpu {

/// Why a site is not Y = alpha * A B^T + beta * C with f32 activations and a constant B, which is what all
/// kernels here take; empty when it is.
Refusal plain_gemm_refusal(const OpSite& site, bool takes_activation = false);

/// What products of floating activations as they come take: B floating, or any encoding of at most 8 bits.
Refusal supports_float_gemm(const OpSite& site);
Refusal supports_decoded_gemm(const OpSite& site);

/// What products of activations rounded to bf16 take: the encoding says so, B may be either.
Refusal supports_bf16_gemm(const OpSite& site);

/// The beta * C of a Gemm, C held as f32 when it is a constant.
class Addend {
 public:
  explicit Addend(const OpSite& site);

  bool is_constant() const { return !constant_.empty(); }
  size_t bytes() const { return is_constant() ? constant_.size_bytes() : 0; }

  /// C[m, n] is data[(m - first_row) * row_step + n * column_step]; data is null when there is none.
  struct At {
    const float* data;
    int64_t row_step, column_step;
    float alpha, beta;
  };
  At at(const KernelRun& run, int64_t first_row) const;

 private:
  Tensor constant_;
  float alpha_, beta_;
};

}  // namespace halftone::cpu
