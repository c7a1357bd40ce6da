#include <arm_neon.h>

#include "quant/matrix/multiply_loops.h"

namespace halftone {
namespace {

struct Neon {
  using Float = float32x4_t;
  static constexpr int kWidth = 4, kRows = 8, kColumns = 8;
  static Float broadcast(float x) { return vdupq_n_f32(x); }
  static Float load(const float* from) { return vld1q_f32(from); }
  static void store(float* to, Float x) { vst1q_f32(to, x); }
  static Float fma(Float a, Float b, Float c) { return vfmaq_f32(c, a, b); }
};

}  // namespace

const MultiplyKernel multiply_neon{Neon::kRows, Neon::kColumns, multiply_tile<Neon>};

}  // namespace halftone
