#pragma once

// 16 outputs in four vectors, for the per-ISA sources only (gemm_int_loops.h says why all of it is in an
// unnamed namespace).

#include <arm_neon.h>

#include "backend/cpu/gemm/int_panels.h"

namespace halftone::cpu {
namespace {

struct NeonDot {
  struct Int {
    int32x4_t part[4];
  };
  struct Float {
    float32x4_t part[4];
  };
  /// vdotq_s32 multiplies signed bytes: codes of 8 bits are taken less 128.
  static constexpr int32_t code_bias(int bits) { return bits == 8 ? 128 : 0; }

  template <class R, class Operation>
  static R parts(Operation operation) {
    return {{operation(0), operation(1), operation(2), operation(3)}};
  }

  static Int broadcast(int32_t x) {
    return parts<Int>([&](int) { return vdupq_n_s32(x); });
  }
  static Float broadcast(float x) {
    return parts<Float>([&](int) { return vdupq_n_f32(x); });
  }
  static Int add(Int a, Int b) {
    return parts<Int>([&](int i) { return vaddq_s32(a.part[i], b.part[i]); });
  }
  static Int multiply(Int a, Int b) {
    return parts<Int>([&](int i) { return vmulq_s32(a.part[i], b.part[i]); });
  }
  static Float multiply(Float a, Float b) {
    return parts<Float>([&](int i) { return vmulq_f32(a.part[i], b.part[i]); });
  }
  static Float fma(Float a, Float b, Float c) {
    return parts<Float>([&](int i) { return vfmaq_f32(c.part[i], a.part[i], b.part[i]); });
  }
  static Float to_float(Int x) {
    return parts<Float>([&](int i) { return vcvtq_f32_s32(x.part[i]); });
  }
  static void store(float* to, Float x) {
    for (int i = 0; i < 4; ++i) vst1q_f32(to + 4 * i, x.part[i]);
  }

  static Int bias_minus_zeros(const std::byte* zeros, int32_t bias) {
    const uint8x16_t bytes = vld1q_u8(reinterpret_cast<const uint8_t*>(zeros));
    const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_u8(vget_high_u8(bytes));
    const uint32x4_t wide[4] = {vmovl_u16(vget_low_u16(low)), vmovl_u16(vget_high_u16(low)),
                                vmovl_u16(vget_low_u16(high)), vmovl_u16(vget_high_u16(high))};
    return parts<Int>([&](int i) { return vsubq_s32(vdupq_n_s32(bias), vreinterpretq_s32_u32(wide[i])); });
  }
  static Float load_scales(const std::byte* scales, ScaleType type, int64_t index) {
    if (type == ScaleType::f32)
      return parts<Float>(
          [&](int i) { return vld1q_f32(reinterpret_cast<const float*>(scales) + index + 4 * i); });
    return parts<Float>([&](int i) {
      const uint16x4_t bits = vld1_u16(reinterpret_cast<const uint16_t*>(scales) + index + 4 * i);
      if (type == ScaleType::f16) return vcvt_f32_f16(vreinterpret_f16_u16(bits));
      return vreinterpretq_f32_u32(vshll_n_u16(bits, 16));
    });
  }

  /// What sums of products begin at where the codes' zeros and sums say `x`.
  static Int from_start(Int x) { return x; }

  /// A vector of packed codes -> those of one of its quads, as dot_lane() takes them.
  template <int kBits, int kQuadOfUnit>
  static uint8x16_t unpack(uint8x16_t packed) {
    if constexpr (kBits == 8) return veorq_u8(packed, vdupq_n_u8(0x80));
    return bits_of<kBits, kQuadOfUnit>(packed);
  }
  /// acc + codes * the quad of activations in that lane.
  template <int kLane>
  static int32x4_t dot_lane(int32x4_t acc, uint8x16_t codes, int8x16_t activations) {
    return vdotq_laneq_s32(acc, vreinterpretq_s8_u8(codes), activations, kLane);
  }

 protected:
  template <int kBits, int kQuadOfUnit>
  static uint8x16_t bits_of(uint8x16_t packed) {
    constexpr int kShift = kBits * kQuadOfUnit;
    if constexpr (kBits == 8) return packed;
    if constexpr (kShift > 0) packed = vshrq_n_u8(packed, kShift > 0 ? kShift : 1);
    if constexpr (kShift + kBits < 8) packed = vandq_u8(packed, vdupq_n_u8((1 << kBits) - 1));
    return packed;
  }
};

}  // namespace
}  // namespace halftone::cpu
