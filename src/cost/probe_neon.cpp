#include <arm_neon.h>

#include "cost/probe_loops.h"

namespace halftone {
namespace {

uint64_t read(const std::byte* data, size_t bytes) {
  const size_t stream = bytes / 4;
  uint64x2_t sum[4] = {vdupq_n_u64(0), vdupq_n_u64(0), vdupq_n_u64(0), vdupq_n_u64(0)};
  for (size_t i = 0; i < stream; i += 64)
    for (size_t s = 0; s < 4; ++s) {
      const auto* from = reinterpret_cast<const uint64_t*>(data + s * stream + i);
      for (size_t part = 0; part < 8; part += 2) sum[s] = veorq_u64(sum[s], vld1q_u64(from + part));
    }
  return vaddvq_u64(veorq_u64(veorq_u64(sum[0], sum[1]), veorq_u64(sum[2], sum[3])));
}

constexpr int kChains = 24;

double f32(int64_t rounds) {
  float32x4_t sum[kChains];
  for (float32x4_t& s : sum) s = vdupq_n_f32(0);
  const float32x4_t x = vdupq_n_f32(0.5f);
  for (int64_t i = 0; i < rounds; ++i) {
    for (int c = 0; c < kChains; ++c) sum[c] = vfmaq_f32(x, sum[c], x);
    for (int c = 0; c < kChains; ++c) asm volatile("" : "+w"(sum[c]));
  }
  return 2.0 * 4 * kChains * static_cast<double>(rounds);
}

}  // namespace

const ProbeLoops probe_neon = {read, f32, nullptr, nullptr};

}  // namespace halftone
