#include "quant/algo/llm_int8/llm_int8.h"

namespace halftone {
namespace {

constexpr AlgorithmSetting kSettings[] = {
    {"threshold", 6, 1e-3, 1e6, "columns of activations with a magnitude of at least this stay floating"}};

}  // namespace

std::span<const AlgorithmSetting> LlmInt8::settings() const {
  return kSettings;
}

void LlmInt8::apply(CalibrationBlock& block, const AlgorithmSettings& settings) const {
  for (const QuantTarget& target : block.targets())
    for (Node& node : block.graph.nodes())
      if (node.schema->name == "Gemm" && node.inputs[1] == target.weight)
        node.attributes.set("outlier_threshold", static_cast<float>(settings.at("threshold")));
}

}  // namespace halftone
