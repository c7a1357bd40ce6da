#pragma once

// For *_neondot.cpp sources only (see code_tile_loops.h).

#include <arm_neon.h>

#include "backend/cpu/int8/code_tile.h"
#include "ops/gate_polynomial.h"

namespace halftone::cpu {
namespace {

struct CodeFinishNeon {
  /// multiply_fixed() on 4 lanes. (vqrdmulh rounds halves up too.)
  static int32x4_t multiply_fixed(int32x4_t x, int32x4_t mantissa, int32x4_t shift) {
    const int32x4_t zero = vdupq_n_s32(0);
    const int32x4_t left = vmaxq_s32(shift, zero);
    const int32x4_t right = vmaxq_s32(vnegq_s32(shift), zero);
    const int32x4_t limit = vshlq_s32(vdupq_n_s32(0x7fffffff), vnegq_s32(left));
    x = vshlq_s32(vminq_s32(vmaxq_s32(x, vnegq_s32(limit)), limit), left);
    const int32x4_t high = vqrdmulhq_s32(x, mantissa);
    const int32x4_t mask = vsubq_s32(vshlq_s32(vdupq_n_s32(1), right), vdupq_n_s32(1));
    const int32x4_t threshold = vsubq_s32(vshrq_n_s32(mask, 1), vshrq_n_s32(high, 31));
    const uint32x4_t up = vcgtq_s32(vandq_s32(high, mask), threshold);
    return vsubq_s32(vshlq_s32(high, vnegq_s32(right)), vreinterpretq_s32_u32(up));
  }

  static int32x4_t requantize(int32x4_t sum, const CodeFinish& f, int64_t output) {
    if (f.gate != Gate::none) return vcvtnq_s32_f32(gained(sum, f, output));
    if (!f.mantissas) return vcvtnq_s32_f32(scaled(sum, f, output));
    int32x4_t mantissa = vld1q_s32(f.mantissas + output);
    int32x4_t shift = vld1q_s32(f.shifts + output);
    if (f.mantissas_below) {
      const uint32x4_t negative = vcltq_s32(sum, vdupq_n_s32(0));
      mantissa = vbslq_s32(negative, vld1q_s32(f.mantissas_below + output), mantissa);
      shift = vbslq_s32(negative, vld1q_s32(f.shifts_below + output), shift);
    }
    return multiply_fixed(sum, mantissa, shift);
  }

  /// A sum of 16 outputs shifted, and their residual (of which `count` are there) added.
  static void join(int32x4_t (&sum)[4], const CodeFinish& f, int64_t output, const uint8_t* residual,
                   int64_t count) {
    int32_t all[16] = {};
    for (int64_t i = 0; i < (count < 16 ? count : 16); ++i) all[i] = residual[i] - f.residual_zero;
    for (int i = 0; i < 4; ++i)
      sum[i] = vmlaq_s32(vshlq_s32(sum[i], vdupq_n_s32(f.sum_shift)), vld1q_s32(all + 4 * i),
                         vld1q_s32(f.residual_factors + output + 4 * i));
  }

  /// gated() (ops/gate_polynomial.h) on 4 lanes,
  static float32x4_t gated(float32x4_t x, const GatePolynomial& by) {
    const float32x4_t u = vminnmq_f32(vabsq_f32(x), vdupq_n_f32(by.reach));
    float32x4_t r = vdupq_n_f32(by.coefficients[0]);
    for (int i = 1; i <= GatePolynomial::kDegree; ++i) r = vfmaq_f32(vdupq_n_f32(by.coefficients[i]), r, u);
    if (by.fourth_power) {
      r = vmulq_f32(r, r);
      r = vmulq_f32(r, r);
    }
    return vfmsq_f32(vmaxnmq_f32(x, vdupq_n_f32(0)), u, r);
  }
  /// times the gains, with bounds for what is no number.
  static float32x4_t gained(int32x4_t sum, const CodeFinish& f, int64_t output) {
    const float32x4_t x = vmulq_f32(vcvtq_f32_s32(sum), vld1q_f32(f.multipliers + output));
    return vminnmq_f32(
        vmulq_f32(gated(x, kGatePolynomials[static_cast<size_t>(f.gate)]), vld1q_f32(f.below + output)),
        vdupq_n_f32(1e9f));
  }

  static float32x4_t scaled(int32x4_t sum, const CodeFinish& f, int64_t output) {
    float32x4_t multiplier = vld1q_f32(f.multipliers + output);
    if (f.below)
      multiplier = vbslq_f32(vcltq_s32(sum, vdupq_n_s32(0)), vld1q_f32(f.below + output), multiplier);
    return vmulq_f32(vcvtq_f32_s32(sum), multiplier);
  }

  /// Four vectors of 4 sums, already multiplied, as 16 codes in order.
  static uint8x16_t codes_of(const int32x4_t (&x)[4], const CodeFinish& f) {
    const int16x8_t zero = vdupq_n_s16(static_cast<int16_t>(f.zero));
    const int16x8_t low = vqaddq_s16(vcombine_s16(vqmovn_s32(x[0]), vqmovn_s32(x[1])), zero);
    const int16x8_t high = vqaddq_s16(vcombine_s16(vqmovn_s32(x[2]), vqmovn_s32(x[3])), zero);
    const uint8x16_t codes = vcombine_u8(vqmovun_s16(low), vqmovun_s16(high));
    return vminq_u8(vmaxq_u8(codes, vdupq_n_u8(static_cast<uint8_t>(f.lowest))),
                    vdupq_n_u8(static_cast<uint8_t>(f.highest)));
  }

  /// `count` of 16 codes, through the table where there is one.
  static void store_codes(uint8_t* to, uint8x16_t codes, int64_t count, const uint8_t* table) {
    if (count == 16 && !table) {
      vst1q_u8(to, codes);
      return;
    }
    uint8_t all[16];
    vst1q_u8(all, codes);
    for (int64_t i = 0; i < count; ++i) to[i] = table ? table[all[i]] : all[i];
  }
};

}  // namespace
}  // namespace halftone::cpu
