#include "grad/gradient_scope.h"

namespace halftone {
namespace {

/// d/dx of y = x sigmoid(alpha x): with s the sigmoid, s + alpha (y - y s).
ValueId swish_slope(GradientScope& s, ValueId x, ValueId y, float alpha) {
  const ValueId gate = s.op("Sigmoid", {s.times(x, alpha)});
  return s.add(gate, s.times(s.sub(y, s.mul(y, gate)), alpha));
}

/// d/dx of x Phi(x): Phi(x) + x phi(x).
ValueId gelu_slope(GradientScope& s, ValueId x) {
  const ValueId cumulative = s.plus(s.times(s.op("Erf", {s.times(x, 0.70710678118654752f)}), 0.5f), 0.5f);
  const ValueId bell = s.times(s.op("Exp", {s.times(s.mul(x, x), -0.5f)}), 0.3989422804014327f);
  return s.add(cumulative, s.mul(x, bell));
}

/// d/dx of 0.5 x (1 + t), t = tanh(c (x + a x^3)): 0.5 (1 + t) + 0.5 x (1 - t^2) c (1 + 3 a x^2).
ValueId gelu_tanh_slope(GradientScope& s, ValueId x) {
  constexpr float c = 0.79788456080286536f, a = 0.044715f;
  const ValueId square = s.mul(x, x);
  const ValueId inside = s.times(s.mul(x, s.plus(s.times(square, a), 1)), c);
  const ValueId t = s.op("Tanh", {inside});
  const ValueId slope = s.plus(s.times(s.mul(t, t), -1), 1);
  const ValueId inner = s.mul(s.mul(x, slope), s.plus(s.times(square, 3 * a), 1));
  return s.add(s.plus(s.times(t, 0.5f), 0.5f), s.times(inner, 0.5f * c));
}

}  // namespace

void sigmoid_gradient(GradientScope& s) {
  const ValueId y = s.output();
  s.give(0, s.mul(s.gradient(), s.sub(y, s.mul(y, y))));
}

/// dy (1 - y^2)
void tanh_gradient(GradientScope& s) {
  const ValueId y = s.output();
  s.give(0, s.sub(s.gradient(), s.mul(s.gradient(), s.mul(y, y))));
}

void swish_gradient(GradientScope& s) {
  const float alpha = s.attributes().get_float("alpha", 1);
  s.give(0, s.mul(s.gradient(), swish_slope(s, s.input(0), s.output(), alpha)));
}

void gelu_gradient(GradientScope& s) {
  const bool approximate = s.attributes().get_string("approximate", "none") == "tanh";
  s.give(0, s.mul(s.gradient(), approximate ? gelu_tanh_slope(s, s.input(0)) : gelu_slope(s, s.input(0))));
}

/// dy where y > 0.
void relu_gradient(GradientScope& s) {
  const ValueId positive = s.op("Cast", {s.output()}, {{"to", int64_t{9}}});  // bool
  s.give(0, s.op("Where", {positive, s.gradient(), s.scalar(0)}));
}

/// y = act(gate) up.
void gated_activation_gradient(GradientScope& s) {
  const ValueId gate = s.input(0), up = s.input(1);
  const std::string kind = s.attributes().get_string("activation", "");
  const Attributes approximate =
      kind == "gelu_tanh" ? Attributes{{"approximate", std::string("tanh")}} : Attributes{};
  const ValueId activated = kind == "silu" ? s.op("Swish", {gate}) : s.op("Gelu", {gate}, approximate);
  if (s.wants(1)) s.give(1, s.mul(s.gradient(), activated));
  if (!s.wants(0)) return;
  const ValueId slope = kind == "silu"        ? swish_slope(s, gate, activated, 1)
                        : kind == "gelu_tanh" ? gelu_tanh_slope(s, gate)
                                              : gelu_slope(s, gate);
  s.give(0, s.mul(s.mul(s.gradient(), up), slope));
}

}  // namespace halftone
