#pragma once

// The loops of winograd_line_loops.h over Simd, for the per-ISA sources only, as simd.h.

#include "backend/cpu/winograd/six_points_simd.h"
#include "backend/cpu/winograd/winograd_line_loops.h"

namespace halftone::cpu {
namespace {

template <bool kWhole>
inline void read_vector(const float* const* places, int64_t c, int64_t count, float* to, int64_t part_step) {
  Float d[6], made[6];
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i)
    d[i] = kWhole ? Simd::load(places[i] + c) : Simd::load_part(places[i] + c, count);
  transform_in(d, made);
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i) Simd::store(to + i * part_step + c, made[i]);
}

void read_line(const float* const* places, int64_t channels, float* to, int64_t part_step) {
  int64_t c = 0;
  for (; c + Simd::kWidth <= channels; c += Simd::kWidth)
    read_vector<true>(places, c, Simd::kWidth, to, part_step);
  if (c < channels) read_vector<false>(places, c, channels - c, to, part_step);
}

template <int kOutputs, bool kWhole>
inline void write_vector(const float* sums, int64_t part_step, int64_t n, int64_t count,
                         const WinogradLineOutput& out) {
  Float m[6], made[kOutputs];
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i) m[i] = Simd::load(sums + i * part_step + n);
  transform_out(m, made);
  const Float bias = Simd::load(out.bias + n);
  const Float low = Simd::broadcast(out.low), high = Simd::broadcast(out.high);
#pragma GCC unroll 4
  for (int i = 0; i < kOutputs; ++i) {
    if (i >= out.existing) return;
    Float sum = Simd::add(made[i], bias);
    if (out.residual) {
      const float* from = out.residual + i * out.residual_step + n;
      sum = Simd::add(sum, kWhole ? Simd::load(from) : Simd::load_part(from, count));
    }
    sum = Simd::min(Simd::max(sum, low), high);
    float* to = out.y + i * out.step + n;
    if constexpr (kWhole)
      Simd::store(to, sum);
    else
      Simd::store_part(to, sum, count);
  }
}

template <int kOutputs>
void write_tile(const float* sums, int64_t part_step, int64_t count, const WinogradLineOutput& out) {
  int64_t n = 0;
  for (; n + Simd::kWidth <= count; n += Simd::kWidth)
    write_vector<kOutputs, true>(sums, part_step, n, Simd::kWidth, out);
  if (n < count) write_vector<kOutputs, false>(sums, part_step, n, count - n, out);
}

void write_line(const float* sums, int64_t part_step, int64_t count, const WinogradLineOutput& out) {
  if (out.outputs == 4) return write_tile<4>(sums, part_step, count, out);
  if (out.outputs == 3) return write_tile<3>(sums, part_step, count, out);
  write_tile<2>(sums, part_step, count, out);
}

constexpr WinogradLineLoops kWinogradLineLoops = {Simd::kWidth, read_line, write_line};

}  // namespace
}  // namespace halftone::cpu
