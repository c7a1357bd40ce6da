#include "backend/cuda/device/tf32.h"
#include "backend/cuda/mat_mul/mat_mul_kernels.h"

namespace halftone::cuda {

struct Tf32Pair {
  uint32_t high, low;
};
DEVICE Tf32Pair tf32_pair(float x) {
  const uint32_t high = tf32_of(x) & 0xffffe000u;
  return {high, (bits_of(x - float_of(high)) + 0x1000u) & 0xffffe000u};
}

/// A block's tile of Y and the first elements of its matrices.
struct MatMulPlace {
  int64_t a, b, y;
  int row, column;
};
DEVICE MatMulPlace mat_mul_place(const MatMulArgs& args) {
  constexpr int kTile = kMatMulTile;
  const int row_tiles = (args.m + kTile - 1) / kTile, column_tiles = (args.n + kTile - 1) / kTile;
  const int tile = block_x() % (row_tiles * column_tiles);
  int batch = block_x() / (row_tiles * column_tiles);
  MatMulPlace place{0, 0, int64_t{batch} * args.m * args.n, tile % row_tiles * kTile,
                    tile / row_tiles * kTile};
  UNROLL
  for (int d = 3; d >= 0; --d) {
    const int i = batch % args.dims[d];
    batch /= args.dims[d];
    place.a += i * args.a_strides[d];
    place.b += i * args.b_strides[d];
  }
  place.a *= int64_t{args.m} * args.k;
  place.b *= int64_t{args.k} * args.n;
  return place;
}

DEVICE_KERNEL_BOUNDED(mat_mul_kernel, MatMulArgs, 128, 2) {
  constexpr int kTile = kMatMulTile, kDepth = kMatMulDepth;
  const Shared<float> a_tile = shared_memory<float>(0);
  const Shared<float> b_tile = shared_memory<float>(kTile * kMatMulStrideA * sizeof(float));
  const MatMulPlace place = mat_mul_place(args);
  const float* a = static_cast<const float*>(args.a) + place.a;
  const float* b = static_cast<const float*>(args.b) + place.b;
  const int row0 = place.row, column0 = place.column;
  const int g = lane() / 4, t = lane() % 4;
  const int warp_row = warp() % 2 * 32, warp_column = warp() / 2 * 32;

  float sums[2][4][4] = {};
  for (int depth = 0; depth < args.k; depth += kDepth) {
    sync_block();
    UNROLL
    for (int i = 0; i < kTile * kDepth / 128; ++i) {
      const int at = i * 128 + thread();
      const int row = at / kDepth, k = at % kDepth;
      const bool in_a = row0 + row < args.m && depth + k < args.k;
      a_tile[row * kMatMulStrideA + k] = in_a ? a[int64_t{row0 + row} * args.k + depth + k] : 0.0f;
      const int column = at % kTile, deep = at / kTile;
      const bool in_b = column0 + column < args.n && depth + deep < args.k;
      b_tile[deep * kMatMulStrideB + column] =
          in_b ? b[int64_t{depth + deep} * args.n + column0 + column] : 0.0f;
    }
    sync_block();
    UNROLL
    for (int k = 0; k < kDepth; k += 8) {
      uint32_t a_high[2][4], a_low[2][4];
      UNROLL
      for (int i = 0; i < 2; ++i) {
        UNROLL
        for (int r = 0; r < 4; ++r) {
          const int row = warp_row + 16 * i + g + r % 2 * 8;
          const Tf32Pair pair = tf32_pair(a_tile[row * kMatMulStrideA + k + t + r / 2 * 4]);
          a_high[i][r] = pair.high;
          a_low[i][r] = pair.low;
        }
      }
      UNROLL
      for (int j = 0; j < 4; ++j) {
        uint32_t b_high[2], b_low[2];
        UNROLL
        for (int r = 0; r < 2; ++r) {
          const Tf32Pair pair = tf32_pair(b_tile[(k + t + 4 * r) * kMatMulStrideB + warp_column + 8 * j + g]);
          b_high[r] = pair.high;
          b_low[r] = pair.low;
        }
        UNROLL
        for (int i = 0; i < 2; ++i) {
          mma_tf32(sums[i][j], a_low[i], b_high);
          mma_tf32(sums[i][j], a_high[i], b_low);
          mma_tf32(sums[i][j], a_high[i], b_high);
        }
      }
    }
  }

  float* y = static_cast<float*>(args.y) + place.y;
  UNROLL
  for (int i = 0; i < 2; ++i) {
    UNROLL
    for (int j = 0; j < 4; ++j) {
      UNROLL
      for (int r = 0; r < 4; ++r) {
        const int row = row0 + warp_row + 16 * i + g + r / 2 * 8;
        const int column = column0 + warp_column + 8 * j + 2 * t + r % 2;
        if (row < args.m && column < args.n) y[int64_t{row} * args.n + column] = sums[i][j][r];
      }
    }
  }
}

/// Eight neighbours from `column` on; 0 from `limit` on.
DEVICE Words4 eight_of(const uint16_t* row, int column, int limit, bool wide) {
  if (column >= limit) return {};
  if (wide) return load_wide<Words4>(row + column);
  uint32_t words[4];
  UNROLL
  for (int i = 0; i < 4; ++i) {
    const int at = column + 2 * i;
    const uint32_t low = at < limit ? row[at] : 0, high = at + 1 < limit ? row[at + 1] : 0;
    words[i] = low | high << 16;
  }
  return {words[0], words[1], words[2], words[3]};
}

template <class T>
DEVICE void mat_mul_short(const MatMulArgs& args) {
  constexpr int kThreads = 128, kPieces = 2;  // of 8 columns that a thread brings, of A and of B
  const MatMulPlace place = mat_mul_place(args);
  const auto* a = static_cast<const uint16_t*>(args.a) + place.a;
  const auto* b = static_cast<const uint16_t*>(args.b) + place.b;
  const auto at = [](int offset) { return shared_memory<uint8_t>(static_cast<size_t>(offset)); };
  constexpr int kTiles = kShortTileA + kShortTileB;

  Words4 next_a[kPieces], next_b[kPieces];
  const auto read = [&](int depth) {
    UNROLL
    for (int p = 0; p < kPieces; ++p) {
      const int i = p * kThreads + thread();
      const int row = place.row + i / 4, deep = depth + i / 8;
      next_a[p] = row < args.m ? eight_of(a + int64_t{row} * args.k, depth + i % 4 * 8, args.k, args.wide_a)
                               : Words4{};
      next_b[p] = deep < args.k
                      ? eight_of(b + int64_t{deep} * args.n, place.column + i % 8 * 8, args.n, args.wide_b)
                      : Words4{};
    }
  };
  const auto store = [&](int buffer) {
    UNROLL
    for (int p = 0; p < kPieces; ++p) {
      const int i = p * kThreads + thread();
      store_as(at(buffer * kTiles + i / 4 * kShortRowA + i % 4 * 16), next_a[p]);
      store_as(at(buffer * kTiles + kShortTileA + i / 8 * kShortRowB + i % 8 * 16), next_b[p]);
    }
  };

  const int warp_row = warp() % 2 * 32, warp_column = warp() / 2 * 32;
  float sums[2][4][4] = {};
  read(0);
  store(0);
  sync_block();
  for (int depth = 0, buffer = 0; depth < args.k; depth += kShortDepth, buffer ^= 1) {
    const bool more = depth + kShortDepth < args.k;
    if (more) read(depth + kShortDepth);
    UNROLL
    for (int k = 0; k < kShortDepth; k += 16) {
      uint32_t rows[2][4];
      UNROLL
      for (int i = 0; i < 2; ++i)
        load_matrices(rows[i], at(buffer * kTiles + (warp_row + 16 * i + lane() % 16) * kShortRowA +
                                  2 * (k + lane() / 16 * 8)));
      UNROLL
      for (int j = 0; j < 4; j += 2) {
        uint32_t columns[4];
        load_matrices_transposed(columns, at(buffer * kTiles + kShortTileA + (k + lane() % 16) * kShortRowB +
                                             2 * (warp_column + 8 * j + lane() / 16 * 8)));
        UNROLL
        for (int i = 0; i < 2; ++i) {
          UNROLL
          for (int of = 0; of < 2; ++of) {
            const uint32_t factor[2] = {columns[2 * of], columns[2 * of + 1]};
            if constexpr (__is_same(T, f16))
              mma_f16(sums[i][j + of], rows[i], factor);
            else
              mma_bf16(sums[i][j + of], rows[i], factor);
          }
        }
      }
    }
    if (more) store(buffer ^ 1);
    sync_block();
  }

  T* y = static_cast<T*>(args.y) + place.y;
  const int g = lane() / 4, t = lane() % 4;
  UNROLL
  for (int i = 0; i < 2; ++i) {
    UNROLL
    for (int j = 0; j < 4; ++j) {
      UNROLL
      for (int r = 0; r < 4; ++r) {
        const int row = place.row + warp_row + 16 * i + g + r / 2 * 8;
        const int column = place.column + warp_column + 8 * j + 2 * t + r % 2;
        if (row < args.m && column < args.n) y[int64_t{row} * args.n + column] = from_f32<T>(sums[i][j][r]);
      }
    }
  }
}

DEVICE_KERNEL_BOUNDED(mat_mul_f16, MatMulArgs, 128, 4) {
  mat_mul_short<f16>(args);
}
DEVICE_KERNEL_BOUNDED(mat_mul_bf16, MatMulArgs, 128, 4) {
  mat_mul_short<bf16>(args);
}

}  // namespace halftone::cuda
