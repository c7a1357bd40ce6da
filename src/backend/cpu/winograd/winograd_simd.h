#pragma once

// The loops of winograd_loops.h over Simd, for the per-ISA sources only, as simd.h.

#include "backend/cpu/winograd/six_points_simd.h"
#include "backend/cpu/winograd/winograd_loops.h"

namespace halftone::cpu {
namespace {

template <bool kWhole>
void read_channels(const float* const* rows, int64_t step, int64_t count, int64_t c, float* to,
                   int64_t part_step) {
  Float down[6][6];
#pragma GCC unroll 6
  for (int x = 0; x < 6; ++x) {
    Float d[6], made[6];
#pragma GCC unroll 6
    for (int y = 0; y < 6; ++y) {
      const float* from = rows[y] + x * step + c;
      d[y] = kWhole ? Simd::load(from) : Simd::load_part(from, count);
    }
    transform_in(d, made);
#pragma GCC unroll 6
    for (int y = 0; y < 6; ++y) down[y][x] = made[y];
  }
#pragma GCC unroll 6
  for (int y = 0; y < 6; ++y) {
    Float made[6];
    transform_in(down[y], made);
#pragma GCC unroll 6
    for (int x = 0; x < 6; ++x) Simd::store(to + (y * 6 + x) * part_step + c, made[x]);
  }
}

void read(const float* const* rows, int64_t step, int64_t channels, float* to, int64_t part_step) {
  int64_t c = 0;
  for (; c + Simd::kWidth <= channels; c += Simd::kWidth)
    read_channels<true>(rows, step, Simd::kWidth, c, to, part_step);
  if (c < channels) read_channels<false>(rows, step, channels - c, c, to, part_step);
}

template <bool kWhole>
void write_outputs(const float* sums, int64_t part_step, int64_t n, int64_t count,
                   const WinogradOutput& out) {
  Float down[4][6];
#pragma GCC unroll 6
  for (int x = 0; x < 6; ++x) {
    Float m[6], made[4];
#pragma GCC unroll 6
    for (int y = 0; y < 6; ++y) m[y] = Simd::load(sums + (y * 6 + x) * part_step + n);
    transform_out(m, made);
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y) down[y][x] = made[y];
  }
  const Float bias = Simd::load(out.bias + n);
  const Float low = Simd::broadcast(out.low), high = Simd::broadcast(out.high);
#pragma GCC unroll 4
  for (int y = 0; y < 4; ++y) {
    if (y >= out.rows) return;
    Float made[4];
    transform_out(down[y], made);
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x) {
      if (x >= out.columns) break;
      Float sum = Simd::add(made[x], bias);
      if (out.residual) {
        const float* from = out.residual + y * out.residual_line + x * out.residual_step + n;
        sum = Simd::add(sum, kWhole ? Simd::load(from) : Simd::load_part(from, count));
      }
      sum = Simd::min(Simd::max(sum, low), high);
      float* to = out.y + y * out.line + x * out.step + n;
      if constexpr (kWhole)
        Simd::store(to, sum);
      else
        Simd::store_part(to, sum, count);
    }
  }
}

void write(const float* sums, int64_t part_step, int64_t outputs, const WinogradOutput& out) {
  int64_t n = 0;
  for (; n + Simd::kWidth <= outputs; n += Simd::kWidth)
    write_outputs<true>(sums, part_step, n, Simd::kWidth, out);
  if (n < outputs) write_outputs<false>(sums, part_step, n, outputs - n, out);
}

constexpr WinogradLoops kWinogradLoops = {Simd::kWidth, read, write};

}  // namespace
}  // namespace halftone::cpu
