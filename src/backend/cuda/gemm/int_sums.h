#pragma once

#include "backend/cuda/gemm/int_product_kernels.h"
#include "backend/cuda/gemm/weight_scales.h"

namespace halftone::cuda {

/// Signed bytes for the Tensor Cores: codes of 8 bits less 128, others as they are.
template <WeightKind kind>
DEVICE uint32_t signed_quad(const uint32_t* words, int b, int s, int h) {
  const uint32_t quad = Unpack<kind>::quad(words, b, s, h);
  return kind == WeightKind::int8 ? quad ^ 0x80808080u : quad;
}
template <WeightKind kind>
DEVICE constexpr int code_bias() {
  return kind == WeightKind::int8 ? 128 : 0;
}

/// Scale and offset of one output in one group of B.
struct IntScale {
  float scale, minimum;
  int correction;  ///< of the products, times the sum of A's codes
};
template <WeightKind kind>
DEVICE IntScale int_scale(const WeightsView& w, int output, int group) {
  const int64_t at = (int64_t{output / kTileRows} * w.groups + group) * kTileRows + output % kTileRows;
  IntScale s{scale_at(w.scales, w.f32_scales, at), 0, code_bias<kind>()};
  if (w.offset_kind == OffsetKind::shared_zero) s.correction -= w.zero;
  if (w.offset_kind == OffsetKind::zeros)
    s.correction -= load_cached(static_cast<const uint8_t*>(w.offsets) + at);
  if (w.offset_kind == OffsetKind::minima) s.minimum = scale_at(w.offsets, w.f32_scales, at);
  return s;
}

/// `sum` and one segment more.
DEVICE float add_segment(const WeightsView& w, const IntScale& s, int products, int activations,
                         float row_scale, float sum) {
  products += s.correction * activations;
  sum = multiply_add(static_cast<float>(products), product(row_scale, s.scale), sum);
  if (w.offset_kind == OffsetKind::minima)
    sum = multiply_add(static_cast<float>(activations), product(row_scale, s.minimum), sum);
  return sum;
}

/// B'[k, n], decoded.
template <WeightKind kind>
DEVICE float weight_at(const WeightsView& w, int n, int k) {
  constexpr int bits = kind == WeightKind::int8 ? 8 : kind == WeightKind::int4 ? 4 : 2;
  constexpr int unit = 256 / bits;
  const int p = w.group == w.taken ? k : k / w.taken * w.group + k % w.taken;
  const int b = p % unit / kBlockColumns, s = p % 8 / 4, h = n % kTileRows / 8;
  const int lane_of = n % 8 * 4 + p % kBlockColumns / 8;
  const int word = bits == 8 ? 2 * s + h : bits == 4 ? 2 * b + s : b;
  const int shift = bits == 8 ? 0 : bits == 4 ? 4 * h : 2 * h + 4 * s;
  const int64_t unit_at = (int64_t{n / kTileRows} * w.packed_k + p) / unit;
  const auto* codes = reinterpret_cast<const uint8_t*>(w.codes) + unit_at * kUnitBytes;
  const int byte = lane_of * 16 + word * 4 + (p % 4 >> 1) + (p % 2) * 2;
  const int code = (codes[byte] >> shift) & ((1 << bits) - 1);
  const int group = p / w.group;
  const int64_t at = (int64_t{n / kTileRows} * w.groups + group) * kTileRows + n % kTileRows;
  const float scale = scale_at(w.scales, w.f32_scales, at);
  if (w.offset_kind == OffsetKind::minima)
    return product(static_cast<float>(code), scale) + scale_at(w.offsets, w.f32_scales, at);
  const int zero =
      w.offset_kind == OffsetKind::zeros ? load_cached(static_cast<const uint8_t*>(w.offsets) + at) : w.zero;
  return product(static_cast<float>(code - zero), scale);
}

/// What follows the segments.
template <WeightKind kind>
DEVICE void finish_product(const IntProductArgs& args, int row, int output, float sum) {
  const WeightsView& w = args.weights;
  if (args.rows.groups == 1) sum = product(sum, args.rows.scales[row]);
  if (args.rows.outliers) {
    const int count = *args.rows.outlier_count;
    float outliers = 0;
    for (int i = 0; i < count; ++i) {
      const int k = args.rows.outliers[i];
      outliers += product(args.a[int64_t{row} * w.k + k], weight_at<kind>(w, output, k));
    }
    if (count > 0) sum += outliers;
  }
  store_product(args.out, row, output, sum);
}

}  // namespace halftone::cuda
