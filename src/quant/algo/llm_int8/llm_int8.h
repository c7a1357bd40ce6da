#pragma once

#include "quant/algorithm.h"

namespace halftone {

/// LLM.int8() (Dettmers et al., arXiv:2208.07339): the layers whose activation is int8 at run time keep the
/// columns of it that reach a threshold floating. Sets the attribute outlier_threshold of Gemm, which states
/// the decomposition; weights are left to what follows in the chain (rtn). Needs no calibration: columns are
/// found as the model runs.
class LlmInt8 final : public Algorithm {
 public:
  std::string_view name() const override { return "llm_int8"; }
  std::span<const AlgorithmSetting> settings() const override;
  void apply(CalibrationBlock& block, const AlgorithmSettings& settings) const override;
};

}  // namespace halftone
