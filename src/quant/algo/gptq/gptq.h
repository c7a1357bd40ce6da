#pragma once

#include "quant/algorithm.h"

namespace halftone {

/// GPTQ: see GptqRounding. Layers that share an input share its Hessian. Layers of a block go in the order in
/// which they compute (q, k, v; o; gate, up; down), each seeing inputs that the rounded layers before it
/// made ("true sequential"), in blocks before it as well.
class Gptq final : public Algorithm {
 public:
  std::string_view name() const override { return "gptq"; }
  CalibrationNeeds needs() const override { return {.quantized_prefix = true}; }
  std::span<const AlgorithmSetting> settings() const override;
  void apply(CalibrationBlock& block, const AlgorithmSettings& settings) const override;
};

}  // namespace halftone
