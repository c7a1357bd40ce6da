#include <arm_neon.h>

#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/int8/code_finish_neon.h"
#include "backend/cpu/int8/code_tile_loops.h"

namespace halftone::cpu {
namespace {

/// vdotq_s32 multiplies signed bytes: codes are taken less 128.
struct NeonDot : CodeFinishNeon {
  struct Sum {
    int32x4_t part[4];  // 4 outputs each
  };
  struct Weights {
    int8x16_t part[4];
  };
  using Codes = int8x16_t;
  static constexpr int32_t kCodeBias = 128;
  static constexpr const ActivationLoops* kActivations = &activation_neon;
  static constexpr int kBlock = 1;
  static constexpr int kRows[] = {6};

  static Sum sum_from(const int32_t* bias) {
    Sum sum;
    for (int i = 0; i < 4; ++i) sum.part[i] = vld1q_s32(bias + 4 * i);
    return sum;
  }
  static Weights weights(const int8_t* from) {
    Weights w;
    for (int i = 0; i < 4; ++i) w.part[i] = vld1q_s8(from + 16 * i);
    return w;
  }
  static Codes codes(const uint8_t* from) {
    uint32_t quad;
    __builtin_memcpy(&quad, from, sizeof(quad));
    return vreinterpretq_s8_u32(vdupq_n_u32(quad ^ 0x80808080u));
  }
  static Sum dot(Sum sum, const Weights& weights, Codes codes) {
    for (int i = 0; i < 4; ++i) sum.part[i] = vdotq_s32(sum.part[i], weights.part[i], codes);
    return sum;
  }

  template <int kPanels>
  struct Finish {
    CodeFinish finish;
    int64_t first;
    Finish(const CodeFinish& f, int64_t output) : finish(f), first(output) {}
    void store(const Sum (&sums)[kPanels], const uint8_t* residual, uint8_t* to, int64_t count) const {
      int32x4_t x[4] = {sums[0].part[0], sums[0].part[1], sums[0].part[2], sums[0].part[3]};
      if (residual) join(x, finish, first, residual, count);
      for (int i = 0; i < 4; ++i) x[i] = requantize(x[i], finish, first + 4 * i);
      store_codes(to, codes_of(x, finish), count, finish.table);
    }
  };

  static void store_floats(const Sum& sum, const CodeFinish& f, int64_t output, const uint8_t* residual,
                           float* to, int64_t count) {
    int32x4_t x[4] = {sum.part[0], sum.part[1], sum.part[2], sum.part[3]};
    if (residual) join(x, f, output, residual, count);
    float all[16];
    for (int i = 0; i < 4; ++i) vst1q_f32(all + 4 * i, scaled(x[i], f, output + 4 * i));
    for (int64_t i = 0; i < count; ++i) to[i] = all[i];
  }
};

}  // namespace

const CodeLoops code_loops_neondot = kCodeLoops<NeonDot>;

}  // namespace halftone::cpu
