#include <arm_neon.h>

#include "backend/cpu/gemm/nibble_bytes.h"

namespace halftone::cpu {
namespace {

struct NeonBytes {
  using Bytes = uint8x16_t;
  using Float = float32x4_t;
  static constexpr int64_t kBytes = 16, kLanes = 4;
  static constexpr int kOutputs[] = {4, 4, 2};  ///< beside 1, 2 and 4 rows
  /// Sums of a row that do not wait for each other: as many beside other rows, so that its bits are the same.
  static constexpr int kParts = 4;

  static Bytes zero() { return vdupq_n_u8(0); }
  static Bytes load(const std::byte* from) { return vld1q_u8(reinterpret_cast<const uint8_t*>(from)); }
  static Bytes low_nibbles(Bytes x) { return vandq_u8(x, vdupq_n_u8(15)); }
  static Bytes high_nibbles(Bytes x) { return vshrq_n_u8(x, 4); }
  static Bytes table(const uint8_t (&of_codes)[16]) { return vld1q_u8(of_codes); }
  static Bytes look_up(Bytes table, Bytes codes) { return vqtbl1q_u8(table, codes); }
  static Bytes zip_first_8(Bytes a, Bytes b) { return vzip1q_u8(a, b); }
  static Bytes zip_second_8(Bytes a, Bytes b) { return vzip2q_u8(a, b); }
  static Bytes zip_first_16(Bytes a, Bytes b) { return of_16(vzip1q_u16(to_16(a), to_16(b))); }
  static Bytes zip_second_16(Bytes a, Bytes b) { return of_16(vzip2q_u16(to_16(a), to_16(b))); }

  static Float as_floats(Bytes x) { return vreinterpretq_f32_u8(x); }
  static Float broadcast(float x) { return vdupq_n_f32(x); }
  static Float halves(float first, float) { return vdupq_n_f32(first); }
  static Float load_floats(const float* from) { return vld1q_f32(from); }
  static Float add(Float a, Float b) { return vaddq_f32(a, b); }
  static Float subtract(Float a, Float b) { return vsubq_f32(a, b); }
  static Float fma(Float a, Float b, Float c) { return vfmaq_f32(c, a, b); }
  static float sum(Float x) { return vaddvq_f32(x); }
  static float f16(uint16_t bits) {
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(bits))), 0);
  }

 private:
  static uint16x8_t to_16(Bytes x) { return vreinterpretq_u16_u8(x); }
  static Bytes of_16(uint16x8_t x) { return vreinterpretq_u8_u16(x); }
};

}  // namespace

const NibbleLoops nibble_rows_neon = {32, arrange_for_bytes<NeonBytes>, few_byte_rows<NeonBytes>};

}  // namespace halftone::cpu
