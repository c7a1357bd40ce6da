#include "grad/gradient_scope.h"

namespace halftone {

void add_gradient(GradientScope& s) {
  for (size_t i : {0, 1})
    if (s.wants(i)) s.give(i, s.sum_to(s.gradient(), s.shape(s.input(i))));
}

void sub_gradient(GradientScope& s) {
  if (s.wants(0)) s.give(0, s.sum_to(s.gradient(), s.shape(s.input(0))));
  if (s.wants(1)) s.give(1, s.op("Neg", {s.sum_to(s.gradient(), s.shape(s.input(1)))}));
}

void mul_gradient(GradientScope& s) {
  for (size_t i : {0, 1})
    if (s.wants(i)) s.give(i, s.sum_to(s.mul(s.gradient(), s.input(1 - i)), s.shape(s.input(i))));
}

/// y = a / b: da = dy / b, db = -(dy / b) y.
void div_gradient(GradientScope& s) {
  const ValueId quotient = s.div(s.gradient(), s.input(1));
  if (s.wants(0)) s.give(0, s.sum_to(quotient, s.shape(s.input(0))));
  if (s.wants(1)) s.give(1, s.op("Neg", {s.sum_to(s.mul(quotient, s.output()), s.shape(s.input(1)))}));
}

void neg_gradient(GradientScope& s) {
  s.give(0, s.op("Neg", {s.gradient()}));
}

/// y = x^p: dx = dy p x^(p - 1). The exponent's own is not made.
void pow_gradient(GradientScope& s) {
  if (s.wants(1)) s.refuse("with respect to the exponent");
  const ValueId power = s.op("Pow", {s.input(0), s.plus(s.input(1), -1)});
  s.give(0, s.sum_to(s.mul(s.mul(s.gradient(), power), s.input(1)), s.shape(s.input(0))));
}

void sqrt_gradient(GradientScope& s) {
  s.give(0, s.div(s.times(s.gradient(), 0.5f), s.output()));
}

void exp_gradient(GradientScope& s) {
  s.give(0, s.mul(s.gradient(), s.output()));
}

/// erf'(x) = 2 / sqrt(pi) exp(-x^2)
void erf_gradient(GradientScope& s) {
  const ValueId bell = s.op("Exp", {s.times(s.mul(s.input(0), s.input(0)), -1)});
  s.give(0, s.mul(s.gradient(), s.times(bell, 1.1283791670955126f)));
}

void where_gradient(GradientScope& s) {
  const ValueId zero = s.scalar(0);
  if (s.wants(1)) s.give(1, s.sum_to(s.op("Where", {s.input(0), s.gradient(), zero}), s.shape(s.input(1))));
  if (s.wants(2)) s.give(2, s.sum_to(s.op("Where", {s.input(0), zero, s.gradient()}), s.shape(s.input(2))));
}

}  // namespace halftone
