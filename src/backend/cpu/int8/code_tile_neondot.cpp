#include <arm_neon.h>

#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/int8/code_finish_neon.h"
#include "backend/cpu/int8/code_tile_loops.h"

namespace halftone::cpu {
namespace {

/// Sums of kRows rows and 16 outputs. A quad of codes is a lane of the vector that 16 channels of its row
/// were loaded into, so it costs no broadcast.
template <int kRows>
struct RowSums {
  int32x4_t sum[kRows][4];

  template <int kLane, int kLanes>
  [[gnu::always_inline]] void add(const int8_t* weights, const int8x16_t (&codes)[kRows]) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const int8x16_t w = vld1q_s8(weights + 64 * kLane + 16 * i);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) sum[r][i] = vdotq_laneq_s32(sum[r][i], w, codes[r], kLane);
    }
    asm volatile("" ::: "memory");
    if constexpr (kLane + 1 < kLanes) add<kLane + 1, kLanes>(weights, codes);
  }
};

/// vdotq_s32 multiplies signed bytes: codes are taken less 128.
struct NeonDot : CodeFinishNeon {
  struct Sum {
    int32x4_t part[4];  // 4 outputs each
  };
  static constexpr int32_t kCodeBias = 128;
  static constexpr const ActivationLoops* kActivations = &activation_neon;
  static constexpr int kBlock = 1;
  static constexpr int kRows[] = {4};  // 4 x 4 sums, 4 of codes

  static Sum sum_from(const int32_t* bias) {
    Sum sum;
    for (int i = 0; i < 4; ++i) sum.part[i] = vld1q_s32(bias + 4 * i);
    return sum;
  }
  /// sums += `quads` quads of weights and of each row.
  template <int kCount>
  static void add_products(Sum (&sums)[kCount][1], const int8_t* weights, const uint8_t* (&rows)[kCount],
                           int64_t quads) {
    constexpr int64_t kLanes = 4;
    RowSums<kCount> to;
#pragma GCC unroll 4
    for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) to.sum[r][i] = sums[r][0].part[i];
    int8x16_t codes[kCount];
    for (; quads >= kLanes; quads -= kLanes, weights += kLanes * 64) {
#pragma GCC unroll 4
      for (int r = 0; r < kCount; ++r, rows[r - 1] += kLanes * kCodeQuad)
        codes[r] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(rows[r]), vdupq_n_u8(kCodeBias)));
      to.template add<0, kLanes>(weights, codes);
    }
    for (; quads > 0; --quads, weights += 64) {
#pragma GCC unroll 4
      for (int r = 0; r < kCount; ++r, rows[r - 1] += kCodeQuad) {
        uint32_t quad;
        __builtin_memcpy(&quad, rows[r], sizeof(quad));
        codes[r] = vreinterpretq_s8_u32(vdupq_n_u32(quad ^ 0x80808080u));
      }
      to.template add<0, 1>(weights, codes);
    }
#pragma GCC unroll 4
    for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) sums[r][0].part[i] = to.sum[r][i];
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
