#include "grad/gradient_scope.h"

namespace halftone {

/// Turning by an angle is undone by turning back: the same with the sines negated.
void rotary_embedding_gradient(GradientScope& s) {
  for (size_t i : {1, 2})
    if (s.wants(i)) s.refuse("with respect to the caches");
  std::vector<ValueId> inputs = {s.gradient(), s.input(1), s.op("Neg", {s.input(2)})};
  if (s.input(3) != kNoValue) inputs.push_back(s.input(3));
  s.give(0, s.op("RotaryEmbedding", inputs, s.attributes()));
}

/// Without a past, and not with respect to the mask.
void attention_gradient(GradientScope& s) {
  if (s.wants(3)) s.refuse("with respect to the mask");
  if (s.input(4) != kNoValue) s.refuse("with a past");
  std::vector<ValueId> inputs = {s.gradient(), s.input(0), s.input(1), s.input(2)};
  if (s.input(3) != kNoValue) inputs.push_back(s.input(3));
  const std::vector<ValueId> gradients = s.ops("AttentionGradient", inputs, s.attributes());
  for (size_t i : {0, 1, 2})
    if (s.wants(i)) s.give(i, gradients[i]);
}

}  // namespace halftone
