#pragma once

// What happens at the ends of a segment of columns, over a vector type V, for the per-ISA sources only
// (gemm_int_loops.h says why all of it is in an unnamed namespace).

#include "backend/cpu/gemm/gemm_int.h"

namespace halftone::cpu {
namespace {

/// What the loops need not ask at run time.
enum class Mode {
  shared,   ///< one scale a token, ZeroKind::shared
  zeros,    ///< one scale a token, ZeroKind::per_group
  minimum,  ///< one scale a token, ZeroKind::minimum
  any       ///< asks
};

template <Mode kMode>
ZeroKind zero_kind(const IntPanelsView& weights) {
  if constexpr (kMode == Mode::shared) return ZeroKind::shared;
  if constexpr (kMode == Mode::zeros) return ZeroKind::per_group;
  if constexpr (kMode == Mode::minimum) return ZeroKind::minimum;
  return weights.zero_kind;
}

template <Mode kMode>
bool has_group_scales(const IntRows& rows) {
  return kMode == Mode::any && rows.groups != 1;
}

/// body<bits as packed>().
template <class Body>
void with_bits(const IntPanelsView& weights, Body body) {
  if (weights.bits == 2) return body.template operator()<2>();
  if (weights.bits == 4) return body.template operator()<4>();
  return body.template operator()<8>();
}

/// IntGemmLoops::few_rows_most that is the same for all weights.
template <int64_t kRows>
int64_t up_to(const IntPanelsView&) {
  return kRows;
}

/// Bytes of kPanels panels in 8-bit codes.
template <int64_t kPanels>
int64_t unpacked_bytes(const IntPanelsView& weights, int64_t) {
  return kPanels * kPanelRows * weights.packed_k;
}

/// Y for up to `step` outputs of each of a few rows; `products` are `step` apart.
[[gnu::noinline]] void finish(const float* products, int64_t step, const IntRows& rows, const IntOutput& out,
                              int64_t m0, int64_t row_count, int64_t n0, int64_t n) {
  const int64_t count = n - n0 < step ? n - n0 : step;
  for (int64_t r = 0; r < row_count; ++r, products += step) {
    const int64_t m = m0 + r;
    const float scale = rows.groups == 1 ? rows.scales[m] : 1.0f;
    float* y = out.y + m * n + n0;
    for (int64_t i = 0; i < count; ++i) y[i] = products[i] * scale;
    if (out.alpha != 1)
      for (int64_t i = 0; i < count; ++i) y[i] *= out.alpha;
    if (!out.c) continue;
    const float* c = out.c + m * out.c_row_step + n0 * out.c_column_step;
    for (int64_t i = 0; i < count; ++i) y[i] += out.beta * c[i * out.c_column_step];
  }
}

/// What accumulators of one panel start from in one segment.
template <class V, Mode kMode>
struct Start {
  ZeroKind kind;
  typename V::Int factor{};  // of the sum of the row's codes

  Start() = default;
  /// `lane`: the panel's first that V holds.
  Start(const IntPanelsView& weights, const std::byte* panel, const IntSegment& segment, int64_t lane = 0)
      : kind(zero_kind<kMode>(weights)) {
    if (kind == ZeroKind::per_group)
      factor = V::bias_minus_zeros(panel + weights.zeros_offset + segment.b_group * kPanelRows + lane,
                                   V::code_bias(weights.bits));
    else if (kind == ZeroKind::minimum)
      factor = V::broadcast(V::code_bias(weights.bits));
  }
  typename V::Int operator()(int32_t sum) const {
    return kind == ZeroKind::shared ? V::broadcast(sum) : V::multiply(V::broadcast(sum), factor);
  }
};

/// The scales (and minima) of one panel in one segment, and what they do to the sums.
template <class V, Mode kMode>
struct Finish {
  bool has_minimum;
  typename V::Float scale, minimum;

  Finish() = default;
  Finish(const IntPanelsView& weights, const std::byte* panel, const IntSegment& segment, int64_t lane = 0)
      : has_minimum(zero_kind<kMode>(weights) == ZeroKind::minimum) {
    const int64_t index = segment.b_group * kPanelRows + lane;
    scale = V::load_scales(panel, weights.scale_type, index);
    if (has_minimum) minimum = V::load_scales(panel + weights.zeros_offset, weights.scale_type, index);
  }
  /// `row_scale` is null when the row has one scale for all columns.
  typename V::Float operator()(typename V::Float sum, typename V::Int products, const float* row_scale,
                               int32_t row_sum) const {
    auto scaled = [&](typename V::Float x) {
      return row_scale ? V::multiply(V::broadcast(*row_scale), x) : x;
    };
    sum = V::fma(V::to_float(products), scaled(scale), sum);
    if constexpr (kMode == Mode::shared || kMode == Mode::zeros) return sum;
    if (has_minimum) sum = V::fma(V::broadcast(static_cast<float>(row_sum)), scaled(minimum), sum);
    return sum;
  }
};

}  // namespace
}  // namespace halftone::cpu
