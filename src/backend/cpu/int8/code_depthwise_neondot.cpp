#include <arm_neon.h>

#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/int8/code_depthwise.h"
#include "backend/cpu/int8/code_finish_neon.h"

namespace halftone::cpu {
namespace {

/// 16 bytes of which `count` are read.
uint8x16_t load_part(const uint8_t* from, int64_t count) {
  if (count >= 16) return vld1q_u8(from);
  uint8_t all[16] = {};
  for (int64_t i = 0; i < count; ++i) all[i] = from[i];
  return vld1q_u8(all);
}

void run_block(const CodeDepthwise& work, const CodeFinish& f, int64_t first, int64_t channels) {
  for (int64_t r = 0; r < work.count; ++r) {
    int32x4_t sum[4];
    for (int i = 0; i < 4; ++i) sum[i] = vld1q_s32(work.bias + first + 4 * i);
    const int8_t* weights = work.weights + first * work.taps;
    const uint8_t* const* rows = work.rows + r;
    for (int64_t tap = 0; tap < work.taps; ++tap, rows += work.row_step, weights += 16) {
      const uint8x16_t x = load_part(*rows + first, channels);
      const int8x16_t w = vld1q_s8(weights);
      const int16x8_t x_low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(x)));
      const int16x8_t x_high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(x)));
      const int16x8_t w_low = vmovl_s8(vget_low_s8(w)), w_high = vmovl_s8(vget_high_s8(w));
      sum[0] = vmlal_s16(sum[0], vget_low_s16(x_low), vget_low_s16(w_low));
      sum[1] = vmlal_s16(sum[1], vget_high_s16(x_low), vget_high_s16(w_low));
      sum[2] = vmlal_s16(sum[2], vget_low_s16(x_high), vget_low_s16(w_high));
      sum[3] = vmlal_s16(sum[3], vget_high_s16(x_high), vget_high_s16(w_high));
    }
    if (work.floats) {
      float all[16];
      for (int i = 0; i < 4; ++i) vst1q_f32(all + 4 * i, CodeFinishNeon::scaled(sum[i], f, first + 4 * i));
      float* to = work.floats + r * work.out_step + first;
      for (int64_t i = 0; i < channels && i < 16; ++i) to[i] = all[i];
      continue;
    }
    for (int i = 0; i < 4; ++i) sum[i] = CodeFinishNeon::requantize(sum[i], f, first + 4 * i);
    CodeFinishNeon::store_codes(work.out + r * work.out_step + first, CodeFinishNeon::codes_of(sum, f),
                                channels < 16 ? channels : 16, f.table);
  }
}

void run(const CodeDepthwise& work, const CodeFinish& finish) {
  for (int64_t first = 0; first < work.channels; first += 16)
    run_block(work, finish, first, work.channels - first);
}

}  // namespace

const CodeDepthwiseLoops code_depthwise_neondot = {16, 1, false, nullptr, run, &activation_neon};

}  // namespace halftone::cpu
