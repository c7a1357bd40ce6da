#include <immintrin.h>

#include "cost/probe_loops.h"

namespace halftone {
namespace {

uint64_t read(const std::byte* data, size_t bytes) {
  const size_t stream = bytes / 4;
  __m512i sum[4] = {};
  for (size_t i = 0; i < stream; i += 64)
    for (size_t s = 0; s < 4; ++s)
      sum[s] = _mm512_xor_si512(sum[s], _mm512_load_si512(data + s * stream + i));
  const __m512i all = _mm512_xor_si512(_mm512_xor_si512(sum[0], sum[1]), _mm512_xor_si512(sum[2], sum[3]));
  return static_cast<uint64_t>(_mm512_reduce_add_epi64(all));
}

constexpr int kChains = 16;

double f32(int64_t rounds) {
  __m512 sum[kChains] = {};
  const __m512 x = _mm512_set1_ps(0.5f);
  for (int64_t i = 0; i < rounds; ++i) {
    for (int c = 0; c < kChains; ++c) sum[c] = _mm512_fmadd_ps(sum[c], x, x);
    for (int c = 0; c < kChains; ++c) asm volatile("" : "+v"(sum[c]));
  }
  return 2.0 * 16 * kChains * static_cast<double>(rounds);
}

double int8(int64_t rounds) {
  __m512i sum[kChains] = {};
  const __m512i codes = _mm512_set1_epi8(3);
  for (int64_t i = 0; i < rounds; ++i) {
    for (int c = 0; c < kChains; ++c) sum[c] = _mm512_dpbusd_epi32(sum[c], codes, codes);
    for (int c = 0; c < kChains; ++c) asm volatile("" : "+v"(sum[c]));
  }
  return 2.0 * 64 * kChains * static_cast<double>(rounds);
}

}  // namespace

const ProbeLoops probe_avx512vnni = {read, f32, int8, nullptr};

}  // namespace halftone
