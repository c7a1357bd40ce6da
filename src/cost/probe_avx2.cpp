#include <immintrin.h>

#include "cost/probe_loops.h"

namespace halftone {
namespace {

uint64_t read(const std::byte* data, size_t bytes) {
  const size_t stream = bytes / 4;
  __m256i sum[4] = {};
  for (size_t i = 0; i < stream; i += 64)
    for (size_t s = 0; s < 4; ++s) {
      const auto* from = reinterpret_cast<const __m256i*>(data + s * stream + i);
      sum[s] =
          _mm256_xor_si256(sum[s], _mm256_xor_si256(_mm256_load_si256(from), _mm256_load_si256(from + 1)));
    }
  const __m256i all = _mm256_xor_si256(_mm256_xor_si256(sum[0], sum[1]), _mm256_xor_si256(sum[2], sum[3]));
  return static_cast<uint64_t>(_mm256_extract_epi64(all, 0));
}

constexpr int kChains = 12;

double f32(int64_t rounds) {
  __m256 sum[kChains] = {};
  const __m256 x = _mm256_set1_ps(0.5f);
  for (int64_t i = 0; i < rounds; ++i) {
    for (int c = 0; c < kChains; ++c) sum[c] = _mm256_fmadd_ps(sum[c], x, x);
    for (int c = 0; c < kChains; ++c) asm volatile("" : "+x"(sum[c]));
  }
  return 2.0 * 8 * kChains * static_cast<double>(rounds);
}

double int8(int64_t rounds) {
  __m256i sum[kChains] = {};
  __m256i codes = _mm256_set1_epi8(3);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int64_t i = 0; i < rounds; ++i) {
    for (int c = 0; c < kChains; ++c) {
      asm volatile("" : "+x"(codes));
      sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(_mm256_maddubs_epi16(codes, codes), ones));
    }
  }
  for (int c = 0; c < kChains; ++c) asm volatile("" : "+x"(sum[c]));
  return 2.0 * 32 * kChains * static_cast<double>(rounds);
}

}  // namespace

const ProbeLoops probe_avx2 = {read, f32, int8, nullptr};

}  // namespace halftone
