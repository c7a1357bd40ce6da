#pragma once

// A vector of floats for the instruction set that the including source is compiled for (its file name says
// which). For per-ISA sources only. Everything is in an unnamed namespace and calls no inline function of
// another header: a copy compiled for one processor must not be shared with code for another.

#include <cstddef>
#include <cstdint>

#if defined(__AVX2__)
#include "backend/cpu/store_part_avx2.h"
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace halftone::cpu {
namespace {

#if defined(__AVX512F__)

struct Simd {
  using Float = __m512;
  static constexpr int kWidth = 16;
  static constexpr bool kManyRegisters = true;  ///< 32 of them, not 16

  static Float zero() { return _mm512_setzero_ps(); }
  static Float broadcast(float x) { return _mm512_set1_ps(x); }
  static Float load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, Float x) { _mm512_storeu_ps(p, x); }
  static __mmask16 first(int64_t count) { return static_cast<__mmask16>((1u << count) - 1); }
  static Float load_part(const float* p, int64_t count) { return _mm512_maskz_loadu_ps(first(count), p); }
  static void store_part(float* p, Float x, int64_t count) { _mm512_mask_storeu_ps(p, first(count), x); }
  static Float load_half(const void* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  }
  static Float load_bfloat(const void* p) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
  }
  static Float load_int8(const void* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))));
  }

  static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Float sub(Float a, Float b) { return _mm512_sub_ps(a, b); }
  static Float mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float div(Float a, Float b) { return _mm512_div_ps(a, b); }
  /// 1 / a within 2 units in the last place, for a of a normal inverse: an estimate and a Newton step.
  static Float inverse(Float a) {
    const Float estimate = _mm512_rcp14_ps(a);
    return _mm512_fmadd_ps(estimate, _mm512_fnmadd_ps(a, estimate, _mm512_set1_ps(1.0f)), estimate);
  }
  static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  static Float max(Float a, Float b) { return _mm512_max_ps(a, b); }
  static Float min(Float a, Float b) { return _mm512_min_ps(a, b); }
  static Float abs(Float a) { return _mm512_abs_ps(a); }
  static Float round(Float a) { return _mm512_roundscale_ps(a, 0x08); }
  /// a where x < y, b elsewhere (and where x or y is NaN).
  static Float where_less(Float x, Float y, Float a, Float b) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), b, a);
  }
  /// a * 2^n for whole n that leave the result normal.
  static Float times_power_of_two(Float a, Float n) { return _mm512_scalef_ps(a, n); }
  /// a * 2^n where `shifted` is n + kRounder and the result normal.
  static Float times_shifted_power(Float a, Float shifted) {
    const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), exponent));
  }
  static Float quotient(Float a, Float b) { return mul(a, inverse(b)); }
  static float sum(Float a) { return _mm512_reduce_add_ps(a); }
  static float highest(Float a) { return _mm512_reduce_max_ps(a); }
};

#elif defined(__AVX2__)

struct Simd {
  using Float = __m256;
  static constexpr int kWidth = 8;
  static constexpr bool kManyRegisters = false;

  static Float zero() { return _mm256_setzero_ps(); }
  static Float broadcast(float x) { return _mm256_set1_ps(x); }
  static Float load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, Float x) { _mm256_storeu_ps(p, x); }
  static __m256i first(int64_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Float load_part(const float* p, int64_t count) { return _mm256_maskload_ps(p, first(count)); }
  static void store_part(float* p, Float x, int64_t count) { store_part_avx2(p, x, count); }
  static Float load_half(const void* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  }
  static Float load_bfloat(const void* p) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
  }
  static Float load_int8(const void* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p))));
  }

  static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Float sub(Float a, Float b) { return _mm256_sub_ps(a, b); }
  static Float mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float div(Float a, Float b) { return _mm256_div_ps(a, b); }
  static Float inverse(Float a) { return _mm256_div_ps(_mm256_set1_ps(1.0f), a); }
  static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  static Float max(Float a, Float b) { return _mm256_max_ps(a, b); }
  static Float min(Float a, Float b) { return _mm256_min_ps(a, b); }
  static Float abs(Float a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static Float round(Float a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static Float where_less(Float x, Float y, Float a, Float b) {
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_LT_OQ));
  }
  static Float times_power_of_two(Float a, Float n) {
    const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), exponent));
  }
  static Float times_shifted_power(Float a, Float shifted) {
    const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), exponent));
  }
  static Float quotient(Float a, Float b) { return _mm256_div_ps(a, b); }
  static float sum(Float a) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  static float highest(Float a) {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }
};

#elif defined(__ARM_NEON)

struct Simd {
  using Float = float32x4_t;
  static constexpr int kWidth = 4;
  static constexpr bool kManyRegisters = true;

  static Float zero() { return vdupq_n_f32(0); }
  static Float broadcast(float x) { return vdupq_n_f32(x); }
  static Float load(const float* p) { return vld1q_f32(p); }
  static void store(float* p, Float x) { vst1q_f32(p, x); }
  static Float load_part(const float* p, int64_t count) {
    float all[kWidth] = {};
    for (int64_t i = 0; i < count; ++i) all[i] = p[i];
    return load(all);
  }
  static void store_part(float* p, Float x, int64_t count) {
    float all[kWidth];
    store(all, x);
    for (int64_t i = 0; i < count; ++i) p[i] = all[i];
  }
  static Float load_half(const void* p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(static_cast<const uint16_t*>(p))));
  }
  static Float load_bfloat(const void* p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(static_cast<const uint16_t*>(p)), 16));
  }
  static Float load_int8(const void* p) {
    int8_t codes[8] = {};
    __builtin_memcpy(codes, p, kWidth);
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vld1_s8(codes)))));
  }

  static Float add(Float a, Float b) { return vaddq_f32(a, b); }
  static Float sub(Float a, Float b) { return vsubq_f32(a, b); }
  static Float mul(Float a, Float b) { return vmulq_f32(a, b); }
  static Float div(Float a, Float b) { return vdivq_f32(a, b); }
  static Float inverse(Float a) { return vdivq_f32(vdupq_n_f32(1.0f), a); }
  static Float fma(Float a, Float b, Float c) { return vfmaq_f32(c, a, b); }
  static Float max(Float a, Float b) { return vmaxq_f32(a, b); }
  static Float min(Float a, Float b) { return vminq_f32(a, b); }
  static Float abs(Float a) { return vabsq_f32(a); }
  static Float round(Float a) { return vrndnq_f32(a); }
  static Float where_less(Float x, Float y, Float a, Float b) { return vbslq_f32(vcltq_f32(x, y), a, b); }
  static Float times_power_of_two(Float a, Float n) {
    const int32x4_t exponent = vshlq_n_s32(vcvtq_s32_f32(n), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a), exponent));
  }
  static Float times_shifted_power(Float a, Float shifted) {
    const int32x4_t exponent = vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a), exponent));
  }
  static Float quotient(Float a, Float b) { return vdivq_f32(a, b); }
  static float sum(Float a) { return vaddvq_f32(a); }
  static float highest(Float a) { return vmaxvq_f32(a); }
};

#endif

using Float = Simd::Float;

}  // namespace
}  // namespace halftone::cpu
