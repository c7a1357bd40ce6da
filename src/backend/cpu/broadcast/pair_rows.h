#pragma once

#include <cstdint>
#include <type_traits>

namespace halftone::cpu {

/// Calls f(step) with the step as a type's value where it is 0 or 1, so that loops over it are vectors.
template <class F>
void visit_step(int64_t step, F f) {
  if (step == 0) return f(std::integral_constant<int64_t, 0>());
  if (step == 1) return f(std::integral_constant<int64_t, 1>());
  f(step);
}

/// y[i] = f(a[i a_step], b[i b_step]).
template <class F, class In, class Out>
void pair_row(const F& f, const In* a, int64_t a_step, const In* b, int64_t b_step, Out* y, int64_t count) {
  visit_step(a_step, [&](auto a_by) {
    visit_step(b_step, [&](auto b_by) {
      for (int64_t i = 0; i < count; ++i) y[i] = static_cast<Out>(f(a[i * a_by], b[i * b_by]));
    });
  });
}

}  // namespace halftone::cpu
