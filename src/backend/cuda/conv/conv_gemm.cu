#include "backend/cuda/conv/conv_end.h"
#include "backend/cuda/conv/conv_in_tf32.h"

namespace halftone::cuda {
namespace {

/// `N` elements of X as they are read, and as they lie in a row of the tile.
template <int N>
struct FloatPiece;
template <>
struct FloatPiece<4> {
  using Read = Vec4;
  using Stored = Words2;
  DEVICE_MEMBER static Stored stored(const Read& v) { return {f16x2_of(v.x, v.y), f16x2_of(v.z, v.w)}; }
};
template <>
struct FloatPiece<2> {
  using Read = Vec2;
  using Stored = uint32_t;
  DEVICE_MEMBER static Stored stored(const Read& v) { return f16x2_of(v.x, v.y); }
};
template <>
struct FloatPiece<1> {
  using Read = float;
  using Stored = uint16_t;
  DEVICE_MEMBER static Stored stored(const Read& v) { return static_cast<uint16_t>(f16x2_of(v, 0)); }
};

/// The same of numbers that have 16 bits already.
template <int N>
struct ShortPiece;
template <>
struct ShortPiece<8> {
  using Read = Words4;
};
template <>
struct ShortPiece<2> {
  using Read = uint32_t;
};
template <>
struct ShortPiece<1> {
  using Read = uint16_t;
};

template <int N>
struct CodePiece;
template <>
struct CodePiece<16> {
  using Read = Words4;
  DEVICE_MEMBER static Read of(uint32_t word) { return {word, word, word, word}; }
};
template <>
struct CodePiece<4> {
  using Read = uint32_t;
  DEVICE_MEMBER static Read of(uint32_t word) { return word; }
};
template <>
struct CodePiece<1> {
  using Read = uint8_t;
  DEVICE_MEMBER static Read of(uint32_t word) { return static_cast<uint8_t>(word); }
};

/// f16 by f16, summed in f32. X is rounded: beyond f16's range its numbers are infinite, and what they meet
/// is summed anew.
struct FloatProduct {
  static constexpr bool kRounds = true;
  using Args = FloatConvArgs;
  using Element = float;
  using Sum = float;
  static constexpr int kChunk = 32;  // columns in 64 bytes of a row
  template <int N>
  struct Piece : FloatPiece<N> {
    DEVICE_MEMBER static typename FloatPiece<N>::Read outside(const Args&) { return {}; }
  };
  DEVICE_MEMBER static void multiply(Sum (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_f16(d, a, b);
  }
};
/// 16 bits by the same, f16 or bf16.
template <bool kBrain>
struct ShortProduct {
  static constexpr bool kRounds = false;
  using Args = FloatConvArgs;
  using Element = uint16_t;
  using Sum = float;
  static constexpr int kChunk = 32;
  template <int N>
  struct Piece : ShortPiece<N> {
    using Stored = typename ShortPiece<N>::Read;
    DEVICE_MEMBER static Stored outside(const Args&) { return {}; }
    DEVICE_MEMBER static Stored stored(const Stored& v) { return v; }
  };
  DEVICE_MEMBER static void multiply(Sum (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    if constexpr (kBrain)
      mma_bf16(d, a, b);
    else
      mma_f16(d, a, b);
  }
};
/// u8 by s8, exact.
template <class A>
struct CodeProduct {
  static constexpr bool kRounds = false;
  using Args = A;
  using Element = uint8_t;
  using Sum = int;
  static constexpr int kChunk = 64;
  template <int N>
  struct Piece : CodePiece<N> {
    using Stored = typename CodePiece<N>::Read;
    DEVICE_MEMBER static Stored outside(const Args& args) { return CodePiece<N>::of(args.padding); }
    DEVICE_MEMBER static Stored stored(const Stored& v) { return v; }
  };
  DEVICE_MEMBER static void multiply(Sum (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_u8_s8(d, a, b);
  }
};

/// Beyond every picture: a place that is none reads only padding.
constexpr int kNowhere = -(1 << 29);

template <class Product, int kTile, int kVector>
DEVICE void conv_gemm(const typename Product::Args& args) {
  using Piece = typename Product::template Piece<kVector>;
  constexpr int kPieces = Product::kChunk / kVector;  // in a chunk of a row
  constexpr int kRows = kConvThreads / kPieces;       // that the block reads at a time
  constexpr int kPasses = kTile / kRows;
  constexpr int kRowTiles = kTile / 32, kColumnTiles = kTile / 16;  // of a warp, 16 and 8 wide
  const ConvGeometry& at = args.at;
  const Shared<Words4> places = shared_memory<Words4>(0);
  const size_t tiles_at = static_cast<size_t>(kTile) * 16;

  for (int row = thread(); row < kTile; row += kConvThreads) {
    const int place = block_x() * kTile + row;
    Words4 entry{0, static_cast<uint32_t>(kNowhere), static_cast<uint32_t>(kNowhere), 0};
    if (place < at.places) {
      const ConvPlace p = conv_place(at, place);
      const int64_t first = p.picture + int64_t{p.h} * at.x_row + int64_t{p.w} * at.x_column;
      entry = {static_cast<uint32_t>(first), static_cast<uint32_t>(p.h), static_cast<uint32_t>(p.w),
               static_cast<uint32_t>(first >> 32)};
    }
    places[row] = entry;
  }
  sync_block();

  const int my_row = thread() / kPieces, my_piece = thread() % kPieces;
  const auto* x = static_cast<const typename Product::Element*>(args.x) +
                  int64_t{block_z()} * at.group_inputs * at.x_channel;
  typename Piece::Read pieces[kPasses];
  const auto read = [&](int chunk) {
    const int column = chunk * Product::kChunk + my_piece * kVector;
    const int tap = column / at.group_inputs, channel = column - tap * at.group_inputs;
    const int h = tap / at.kernel_width * at.dilation_h, w = tap % at.kernel_width * at.dilation_w;
    const int offset = h * at.x_row + w * at.x_column + channel * at.x_channel;
    UNROLL
    for (int pass = 0; pass < kPasses; ++pass) {
      const Words4 place = places[my_row + pass * kRows];
      const bool inside =
          column < args.weights.columns &&
          static_cast<uint32_t>(static_cast<int>(place.y) + h) < static_cast<uint32_t>(at.height) &&
          static_cast<uint32_t>(static_cast<int>(place.z) + w) < static_cast<uint32_t>(at.width);
      const auto first = static_cast<int64_t>(uint64_t{place.w} << 32 | place.x);
      pieces[pass] = inside ? load_wide<typename Piece::Read>(x + (first + offset)) : Piece::outside(args);
    }
  };
  const auto store = [&](int buffer) {
    const Shared<typename Piece::Stored> tile =
        shared_memory<typename Piece::Stored>(tiles_at + static_cast<size_t>(buffer) * kTile * kConvRowBytes);
    constexpr int kStep = static_cast<int>(kConvRowBytes / sizeof(typename Piece::Stored));
    UNROLL
    for (int pass = 0; pass < kPasses; ++pass)
      tile[(my_row + pass * kRows) * kStep + my_piece] = Piece::stored(pieces[pass]);
  };

  const int warp_row = warp() % 2 * (kTile / 2), warp_column = warp() / 2 * (kTile / 2);
  const int first_tile = block_z() * args.weights.tiles + block_y() * (kTile / 8) + warp_column / 8;
  Words4 b[kColumnTiles], next_b[kColumnTiles];
  const auto read_weights = [&](Words4(&to)[kColumnTiles], int chunk) {
    UNROLL
    for (int j = 0; j < kColumnTiles; ++j)
      to[j] = load_wide<Words4>(args.weights.fragments +
                                ((int64_t{first_tile} + j) * args.weights.chunks + chunk) * (4 * kWarp) +
                                4 * lane());
  };

  typename Product::Sum sums[kRowTiles][kColumnTiles][4] = {};
  read(0);
  read_weights(b, 0);
  store(0);
  sync_block();
  for (int chunk = 0; chunk < args.weights.chunks; ++chunk) {
    const bool more = chunk + 1 < args.weights.chunks;
    if (more) {
      read(chunk + 1);
      read_weights(next_b, chunk + 1);
    }
    const size_t tile = tiles_at + static_cast<size_t>(chunk % 2) * kTile * kConvRowBytes;
    UNROLL
    for (int half = 0; half < 2; ++half) {
      UNROLL
      for (int i = 0; i < kRowTiles; ++i) {
        uint32_t a[4];
        load_matrices(a, shared_memory<uint8_t>(
                             tile + static_cast<size_t>(warp_row + i * 16 + lane() % 16) * kConvRowBytes +
                             static_cast<size_t>(half * 32 + lane() / 16 * 16)));
        UNROLL
        for (int j = 0; j < kColumnTiles; ++j) {
          const uint32_t factor[2] = {half == 0 ? b[j].x : b[j].z, half == 0 ? b[j].y : b[j].w};
          Product::multiply(sums[i][j], a, factor);
        }
      }
    }
    if (more) {
      store((chunk + 1) % 2);
      UNROLL
      for (int j = 0; j < kColumnTiles; ++j) b[j] = next_b[j];
    }
    sync_block();
  }
  if constexpr (Product::kRounds) {
    bool beyond = false;
    UNROLL
    for (int i = 0; i < kRowTiles; ++i)
      beyond = beyond || is_beyond_f16(sums[i][0][0]) || is_beyond_f16(sums[i][0][2]);
    if (ballot(beyond)) sum_in_tf32<kVector>(args, places + warp_row, first_tile, sums);
  }

  UNROLL
  for (int i = 0; i < kRowTiles; ++i) {
    UNROLL
    for (int part = 0; part < 2; ++part) {
      const int place = block_x() * kTile + warp_row + i * 16 + part * 8 + lane() / 4;
      if (place >= at.places) continue;
      const int64_t y = conv_place(at, place).y;
      UNROLL
      for (int j = 0; j < kColumnTiles; ++j) {
        UNROLL
        for (int e = 0; e < 2; ++e) {
          const int in_group = block_y() * kTile + warp_column + j * 8 + lane() % 4 * 2 + e;
          if (in_group >= at.group_outputs) continue;
          const int output = block_z() * at.group_outputs + in_group;
          finish(args.end, sums[i][j][2 * part + e], y + int64_t{output} * at.y_channel, output);
        }
      }
    }
  }
}

}  // namespace

DEVICE_KERNEL_BOUNDED(conv_f16_64_v4, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<FloatProduct, 64, 4>(args);
}
DEVICE_KERNEL_BOUNDED(conv_f16_64_v2, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<FloatProduct, 64, 2>(args);
}
DEVICE_KERNEL_BOUNDED(conv_f16_64_v1, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<FloatProduct, 64, 1>(args);
}
DEVICE_KERNEL_BOUNDED(conv_f16_32_v4, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<FloatProduct, 32, 4>(args);
}
DEVICE_KERNEL_BOUNDED(conv_f16_32_v2, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<FloatProduct, 32, 2>(args);
}
DEVICE_KERNEL_BOUNDED(conv_f16_32_v1, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<FloatProduct, 32, 1>(args);
}
DEVICE_KERNEL_BOUNDED(conv_of_f16_64_v8, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<ShortProduct<false>, 64, 8>(args);
}
DEVICE_KERNEL_BOUNDED(conv_of_f16_64_v2, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<ShortProduct<false>, 64, 2>(args);
}
DEVICE_KERNEL_BOUNDED(conv_of_f16_64_v1, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<ShortProduct<false>, 64, 1>(args);
}
DEVICE_KERNEL_BOUNDED(conv_of_f16_32_v8, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<ShortProduct<false>, 32, 8>(args);
}
DEVICE_KERNEL_BOUNDED(conv_of_f16_32_v2, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<ShortProduct<false>, 32, 2>(args);
}
DEVICE_KERNEL_BOUNDED(conv_of_f16_32_v1, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<ShortProduct<false>, 32, 1>(args);
}
DEVICE_KERNEL_BOUNDED(conv_of_bf16_64_v8, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<ShortProduct<true>, 64, 8>(args);
}
DEVICE_KERNEL_BOUNDED(conv_of_bf16_64_v2, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<ShortProduct<true>, 64, 2>(args);
}
DEVICE_KERNEL_BOUNDED(conv_of_bf16_64_v1, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<ShortProduct<true>, 64, 1>(args);
}
DEVICE_KERNEL_BOUNDED(conv_of_bf16_32_v8, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<ShortProduct<true>, 32, 8>(args);
}
DEVICE_KERNEL_BOUNDED(conv_of_bf16_32_v2, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<ShortProduct<true>, 32, 2>(args);
}
DEVICE_KERNEL_BOUNDED(conv_of_bf16_32_v1, FloatConvArgs, kConvThreads, 4) {
  conv_gemm<ShortProduct<true>, 32, 1>(args);
}
DEVICE_KERNEL_BOUNDED(conv_s8_64_v16, CodeConvArgs, kConvThreads, 4) {
  conv_gemm<CodeProduct<CodeConvArgs>, 64, 16>(args);
}
DEVICE_KERNEL_BOUNDED(conv_s8_64_v4, CodeConvArgs, kConvThreads, 4) {
  conv_gemm<CodeProduct<CodeConvArgs>, 64, 4>(args);
}
DEVICE_KERNEL_BOUNDED(conv_s8_64_v1, CodeConvArgs, kConvThreads, 3) {
  conv_gemm<CodeProduct<CodeConvArgs>, 64, 1>(args);
}
DEVICE_KERNEL_BOUNDED(conv_s8_32_v16, CodeConvArgs, kConvThreads, 4) {
  conv_gemm<CodeProduct<CodeConvArgs>, 32, 16>(args);
}
DEVICE_KERNEL_BOUNDED(conv_s8_32_v4, CodeConvArgs, kConvThreads, 4) {
  conv_gemm<CodeProduct<CodeConvArgs>, 32, 4>(args);
}
DEVICE_KERNEL_BOUNDED(conv_s8_32_v1, CodeConvArgs, kConvThreads, 4) {
  conv_gemm<CodeProduct<CodeConvArgs>, 32, 1>(args);
}
DEVICE_KERNEL_BOUNDED(conv_dynamic_64_v16, DynamicConvArgs, kConvThreads, 4) {
  conv_gemm<CodeProduct<DynamicConvArgs>, 64, 16>(args);
}
DEVICE_KERNEL_BOUNDED(conv_dynamic_64_v4, DynamicConvArgs, kConvThreads, 4) {
  conv_gemm<CodeProduct<DynamicConvArgs>, 64, 4>(args);
}
DEVICE_KERNEL_BOUNDED(conv_dynamic_64_v1, DynamicConvArgs, kConvThreads, 3) {
  conv_gemm<CodeProduct<DynamicConvArgs>, 64, 1>(args);
}
DEVICE_KERNEL_BOUNDED(conv_dynamic_32_v16, DynamicConvArgs, kConvThreads, 4) {
  conv_gemm<CodeProduct<DynamicConvArgs>, 32, 16>(args);
}
DEVICE_KERNEL_BOUNDED(conv_dynamic_32_v4, DynamicConvArgs, kConvThreads, 4) {
  conv_gemm<CodeProduct<DynamicConvArgs>, 32, 4>(args);
}
DEVICE_KERNEL_BOUNDED(conv_dynamic_32_v1, DynamicConvArgs, kConvThreads, 4) {
  conv_gemm<CodeProduct<DynamicConvArgs>, 32, 1>(args);
}

}  // namespace halftone::cuda
