#include <immintrin.h>

#include "cost/probe_loops.h"

namespace halftone {
namespace {

constexpr int kChains = 16;

double bf16(int64_t rounds) {
  __m512 sum[kChains] = {};
  const __m512bh x = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.5f));
  for (int64_t i = 0; i < rounds; ++i) {
    for (int c = 0; c < kChains; ++c) sum[c] = _mm512_dpbf16_ps(sum[c], x, x);
    for (int c = 0; c < kChains; ++c) asm volatile("" : "+v"(sum[c]));
  }
  return 2.0 * 32 * kChains * static_cast<double>(rounds);
}

}  // namespace

const ProbeLoops probe_avx512bf16 = {nullptr, nullptr, nullptr, bf16};

}  // namespace halftone
