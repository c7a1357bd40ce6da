#pragma once

#include <random>

#include "models/test_checkpoint.h"

namespace halftone {

/// A tiny Llama (vocabulary 40, context 64) with random weights: for tests that compare its logits.
inline Graph random_llama(unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.3f);
  Checkpoint checkpoint = tiny_checkpoint("LlamaForCausalLM");
  const Checkpoint pattern = tiny_llama();
  for (const std::string& name : pattern.names()) {
    const Shape shape = pattern.constant(name).shape();
    Tensor tensor = Tensor::allocate(DType::f32, shape);
    for (float& value : tensor.mutable_view().span<float>())
      value = normal(random) + (shape.rank() == 1 ? 1.0f : 0.0f);
    checkpoint.add(name, Constant(tensor));
  }
  return build_llm(checkpoint);
}

}  // namespace halftone
