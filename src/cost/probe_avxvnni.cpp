#include <immintrin.h>

#include "cost/probe_loops.h"

namespace halftone {
namespace {

constexpr int kChains = 12;

double int8(int64_t rounds) {
  __m256i sum[kChains] = {};
  const __m256i codes = _mm256_set1_epi8(3);
  for (int64_t i = 0; i < rounds; ++i)
    for (int c = 0; c < kChains; ++c) asm volatile("%{vex%} vpdpbusd %1, %1, %0" : "+x"(sum[c]) : "x"(codes));
  return 2.0 * 32 * kChains * static_cast<double>(rounds);
}

}  // namespace

const ProbeLoops probe_avxvnni = {nullptr, nullptr, int8, nullptr};

}  // namespace halftone
