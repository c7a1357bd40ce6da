#include <arm_neon.h>

#include "backend/cpu/gemm/gemm_float_loops.h"

namespace halftone::cpu {
namespace {

struct Neon {
  struct Float {  // 16 lanes in four parts
    float32x4_t part[4];
  };
  struct Codes {
    uint32x4_t part[4];
  };
  static constexpr int kTileRows = 4, kTilePanels = 1;
  static constexpr int kOutputs[] = {4, 2, 1};  ///< of few rows

  template <class R, class Operation>
  static R parts(Operation operation) {
    return {{operation(0), operation(1), operation(2), operation(3)}};
  }

  static Float broadcast(float x) {
    return parts<Float>([&](int) { return vdupq_n_f32(x); });
  }
  static Float fma(Float a, Float b, Float c) {
    return parts<Float>([&](int i) { return vfmaq_f32(c.part[i], a.part[i], b.part[i]); });
  }
  static Float multiply(Float a, Float b) {
    return parts<Float>([&](int i) { return vmulq_f32(a.part[i], b.part[i]); });
  }
  static Float subtract(Float a, Float b) {
    return parts<Float>([&](int i) { return vsubq_f32(a.part[i], b.part[i]); });
  }
  static Float to_float(Codes x) {
    return parts<Float>([&](int i) { return vcvtq_f32_u32(x.part[i]); });
  }
  static float sum(Float x) {
    return vaddvq_f32(vaddq_f32(vaddq_f32(x.part[0], x.part[1]), vaddq_f32(x.part[2], x.part[3])));
  }
  static void store(float* to, Float x) {
    for (int i = 0; i < 4; ++i) vst1q_f32(to + 4 * i, x.part[i]);
  }

  static Float load(const std::byte* from) {
    return parts<Float>([&](int i) {
      return vreinterpretq_f32_u8(vld1q_u8(reinterpret_cast<const uint8_t*>(from + 16 * i)));
    });
  }
  static Float load_f16(const std::byte* from) {
    return parts<Float>([&](int i) { return vcvt_f32_f16(vreinterpret_f16_u8(eight_bytes(from, i))); });
  }
  static Float load_bf16(const std::byte* from) {
    return parts<Float>([&](int i) {
      return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(eight_bytes(from, i)), 16));
    });
  }
  static float f16(uint16_t bits) {
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(bits))), 0);
  }

  /// 16 codes: eight from the low bits of each word, four from each half of those.
  struct Unpacker {
    int half_bits;
    int32x4_t shifts;
    uint32x4_t mask;
    explicit Unpacker(int bits) : half_bits(4 * bits), mask(vdupq_n_u32((1u << bits) - 1)) {
      const int32_t steps[4] = {0, -bits, -2 * bits, -3 * bits};
      shifts = vld1q_s32(steps);
    }
    Codes operator()(uint64_t first, uint64_t second) const {
      return parts<Codes>([&](int i) {
        const uint64_t word = (i < 2 ? first : second) >> (i % 2 == 0 ? 0 : half_bits);
        return vandq_u32(vshlq_u32(vdupq_n_u32(static_cast<uint32_t>(word)), shifts), mask);
      });
    }
  };
  struct Table {
    const float* values;
    explicit Table(const WeightRows& w) : values(w.table) {}
    Float operator()(Codes codes) const {
      return parts<Float>([&](int i) {
        uint32_t at[4];
        vst1q_u32(at, codes.part[i]);
        const float four[4] = {values[at[0]], values[at[1]], values[at[2]], values[at[3]]};
        return vld1q_f32(four);
      });
    }
  };

  static void transpose(const float* from, int64_t step, float* to) {
    for (int r = 0; r < 16; ++r)
      for (int c = 0; c < 16; ++c) to[16 * c + r] = from[r * step + c];
  }

 private:
  static uint8x8_t eight_bytes(const std::byte* from, int i) {
    return vld1_u8(reinterpret_cast<const uint8_t*>(from + 8 * i));
  }
};

}  // namespace

const FloatGemmLoops float_gemm_neon = kFloatGemmLoops<Neon>;

}  // namespace halftone::cpu
