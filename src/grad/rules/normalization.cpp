#include "grad/gradient_scope.h"
#include "ops/movement.h"

namespace halftone {
namespace {

/// The gradient with respect to x of a norm of x over the axes from `axis` on, given that with respect to its
/// quotient.
ValueId norm_gradient(GradientScope& s, ValueId gradient, ValueId x, int64_t axis, bool centered) {
  return s.op("NormalizationGradient", {gradient, x},
              {{"axis", axis},
               {"epsilon", s.attributes().get_float("epsilon", 1e-5f)},
               {"centered", int64_t{centered}}});
}

/// Gradients of a norm's scale and shift, from that of its output and the quotient before the scale.
void give_scale(GradientScope& s, size_t input, ValueId gradient, ValueId quotient) {
  s.give(input, s.sum_to(s.mul(gradient, quotient), s.shape(s.input(input))));
}

ValueId quotient_of(GradientScope& s, std::string_view op, ValueId x, int64_t axis) {
  return s.op(op, {x, s.scalar(1)},
              {{"axis", axis}, {"epsilon", s.attributes().get_float("epsilon", 1e-5f)}});
}

}  // namespace

void rms_normalization_gradient(GradientScope& s) {
  const int64_t axis = s.attributes().get_int("axis", -1);
  const ValueId x = s.input(0), scale = s.input(1);
  if (s.wants(0)) s.give(0, norm_gradient(s, s.mul(s.gradient(), scale), x, axis, false));
  if (s.wants(1)) give_scale(s, 1, s.gradient(), quotient_of(s, "RMSNormalization", x, axis));
}

void layer_normalization_gradient(GradientScope& s) {
  const int64_t axis = s.attributes().get_int("axis", -1);
  const ValueId x = s.input(0), scale = s.input(1);
  if (s.wants(0)) s.give(0, norm_gradient(s, s.mul(s.gradient(), scale), x, axis, true));
  if (s.wants(1)) give_scale(s, 1, s.gradient(), quotient_of(s, "LayerNormalization", x, axis));
  if (s.wants(2)) s.give(2, s.sum_to(s.gradient(), s.shape(s.input(2))));
}

/// sum = x + skip goes out too, so its gradient joins that through the norm.
void skip_rms_normalization_gradient(GradientScope& s) {
  const ValueId sum = s.output(1), scale = s.input(2);
  ValueId total = s.gradient(1);
  if (s.gradient(0) != kNoValue) {
    const ValueId through = norm_gradient(s, s.mul(s.gradient(0), scale), sum, -1, false);
    total = total == kNoValue ? through : s.add(total, through);
    if (s.wants(2)) give_scale(s, 2, s.gradient(0), quotient_of(s, "RMSNormalization", sum, -1));
  }
  for (size_t i : {0, 1})
    if (s.wants(i)) s.give(i, total);
}

void softmax_gradient(GradientScope& s) {
  s.give(0,
         s.op("SoftmaxGradient", {s.gradient(), s.output()}, {{"axis", s.attributes().get_int("axis", -1)}}));
}

}  // namespace halftone
