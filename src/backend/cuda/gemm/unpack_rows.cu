#include "backend/cuda/gemm/scaled_fragment.h"
#include "backend/cuda/gemm/unpack_rows_kernels.h"

namespace halftone::cuda {
namespace {

template <WeightKind kind>
DEVICE void unpack_rows(const UnpackRowsArgs& args) {
  using Codes = Unpack<kind>;
  constexpr int kStep = Codes::kBlocks * kBlockColumns;
  const WeightsView& w = args.weights;
  const int tile = args.first_tile + block_y(), g = lane() / 4, t = lane() % 4;
  float inverse[2] = {1, 1};
  if constexpr (Codes::kScaled) {
    UNROLL
    for (int h = 0; h < 2; ++h) inverse[h] = 1.0f / w.row_factors[tile * kTileRows + g + 8 * h];
  }
  uint32_t table[8] = {};
  if constexpr (kind == WeightKind::table4) {
    UNROLL
    for (int i = 0; i < 8; ++i) table[i] = w.table[i];
  }
  const int begin = block_x() * kUnpackColumns;
  const int end = begin + kUnpackColumns < w.packed_k ? begin + kUnpackColumns : w.packed_k;
  const int64_t tile_bytes = int64_t{w.packed_k} / kStep * Codes::kWords * kUnitBytes;
  for (int column = begin + warp() * kStep; column < end; column += block_warps() * kStep) {
    uint32_t words[4 * Codes::kWords];
    UNROLL
    for (int i = 0; i < Codes::kWords; ++i) {
      const int64_t unit = int64_t{column} / kStep * Codes::kWords + i;
      const Words4 four = load_wide<Words4>(
          reinterpret_cast<const uint32_t*>(w.codes + tile * tile_bytes + unit * kUnitBytes + lane() * 16));
      words[4 * i] = four.x;
      words[4 * i + 1] = four.y;
      words[4 * i + 2] = four.z;
      words[4 * i + 3] = four.w;
    }
    UNROLL
    for (int b = 0; b < Codes::kBlocks; ++b) {
      const int p = column + b * kBlockColumns;
      const HalfScales<kind> scales =
          half_scales<kind>(w, load_scale_bits<kind>(w, tile, p / w.group), inverse);
      uint32_t a[2][4];  // of step s: outputs g and g + 8, then their next two columns
      UNROLL
      for (int s = 0; s < 2; ++s) {
        Codes::fragment(words, b, s, table, a[s]);
        apply_scales<kind>(scales, a[s]);
      }
      UNROLL
      for (int h = 0; h < 2; ++h) {
        const int64_t row = block_y() * kTileRows + g + 8 * h;
        store_wide(args.rows + row * w.packed_k + p + 8 * t,
                   Words4{a[0][h], a[0][h + 2], a[1][h], a[1][h + 2]});
      }
    }
  }
}

}  // namespace

DEVICE_KERNEL(unpack_rows_half, UnpackRowsArgs) {
  unpack_rows<WeightKind::half>(args);
}
DEVICE_KERNEL(unpack_rows_int8, UnpackRowsArgs) {
  unpack_rows<WeightKind::int8>(args);
}
DEVICE_KERNEL(unpack_rows_int4, UnpackRowsArgs) {
  unpack_rows<WeightKind::int4>(args);
}
DEVICE_KERNEL(unpack_rows_int2, UnpackRowsArgs) {
  unpack_rows<WeightKind::int2>(args);
}
DEVICE_KERNEL(unpack_rows_table4, UnpackRowsArgs) {
  unpack_rows<WeightKind::table4>(args);
}
DEVICE_KERNEL(unpack_rows_e4m3, UnpackRowsArgs) {
  unpack_rows<WeightKind::e4m3>(args);
}
DEVICE_KERNEL(unpack_rows_e5m2, UnpackRowsArgs) {
  unpack_rows<WeightKind::e5m2>(args);
}

DEVICE_KERNEL_BOUNDED(finish_rows, FinishRowsArgs, kFinishThreads, 4) {
  const GemmOutput& out = args.out;
  const int column = (block_x() * kFinishThreads + thread()) * 4;
  if (column >= out.n) return;
  const bool wide = stores_fours(out) && reinterpret_cast<uintptr_t>(args.sums) % alignof(Vec4) == 0;
  float factors[4];
  UNROLL
  for (int i = 0; i < 4; ++i) factors[i] = column + i < out.n ? args.row_factors[column + i] : 0;
  for (int row = block_y(); row < out.m; row += grid_y()) {
    const float back = args.back[row];
    const float* sums = args.sums + (int64_t{row} * out.n + column);
    Vec4 v{};
    if (wide) {
      v = load_wide<Vec4>(sums);
    } else {
      const auto sum = [&](int i) { return column + i < out.n ? sums[i] : 0.0f; };
      v = {sum(0), sum(1), sum(2), sum(3)};
    }
    const float values[4] = {product(v.x, back * factors[0]), product(v.y, back * factors[1]),
                             product(v.z, back * factors[2]), product(v.w, back * factors[3])};
    store_products(out, row, column, values, wide);
  }
}

}  // namespace halftone::cuda
