#include <arm_neon.h>

#include "cost/probe_loops.h"

namespace halftone {
namespace {

constexpr int kChains = 24;

double int8(int64_t rounds) {
  int32x4_t sum[kChains];
  for (int32x4_t& s : sum) s = vdupq_n_s32(0);
  const int8x16_t codes = vdupq_n_s8(3);
  for (int64_t i = 0; i < rounds; ++i) {
    for (int c = 0; c < kChains; ++c) sum[c] = vdotq_s32(sum[c], codes, codes);
    for (int c = 0; c < kChains; ++c) asm volatile("" : "+w"(sum[c]));
  }
  return 2.0 * 16 * kChains * static_cast<double>(rounds);
}

}  // namespace

const ProbeLoops probe_neondot = {nullptr, nullptr, int8, nullptr};

}  // namespace halftone
