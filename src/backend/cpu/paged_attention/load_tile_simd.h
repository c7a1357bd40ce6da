#pragma once

// Stored keys or values of a tile as floats; for per-ISA sources only (simd.h).

#include "backend/cpu/paged_attention/attention_loops.h"
#include "backend/cpu/simd.h"
#if defined(__AVX512F__)
#include "backend/cpu/paged_attention/unfold_fours_avx512.h"
#endif

namespace halftone::cpu {
namespace {

template <size_t kElementBytes, class Load>
void load_rows(const KvTile& tile, int64_t begin, int64_t end, Load load) {
  constexpr int64_t kWidth = Simd::kWidth;
  const int64_t whole = tile.dim / kWidth * kWidth;
  for (int64_t row = begin; row < end; ++row) {
    const std::byte* from = tile.stored + row * tile.dim * static_cast<int64_t>(kElementBytes);
    float* to = tile.floats + (row - begin) * tile.padded_dim;
    const Float scale = Simd::broadcast(tile.scales ? tile.scales[row] : 1.0f);
    auto read = [&](const std::byte* p) { return tile.scales ? Simd::mul(load(p), scale) : load(p); };
    for (int64_t i = 0; i < whole; i += kWidth)
      Simd::store(to + i, read(from + i * static_cast<int64_t>(kElementBytes)));
    for (int64_t i = whole; i < tile.padded_dim; ++i) to[i] = 0;
    if (whole == tile.dim) continue;
    std::byte rest[kWidth * kElementBytes] = {};
    __builtin_memcpy(rest, from + whole * static_cast<int64_t>(kElementBytes),
                     static_cast<size_t>(tile.dim - whole) * kElementBytes);
    Simd::store(to + whole, read(rest));
  }
}

/// Groups of 32 channels, laid out as ops/paged_attention/kv_codes.h tells.
template <int kBits>
void load_codes(const KvTile& tile, int64_t begin, int64_t end) {
  constexpr int64_t kGroup = 32, kHalf = kGroup / 2;
  const int64_t groups = (tile.dim + kGroup - 1) / kGroup;
  for (int64_t row = begin; row < end; ++row) {
    for (int64_t group = 0; group < groups; ++group) {
      const auto* packed =
          reinterpret_cast<const uint8_t*>(tile.stored) + (row * groups + group) * (kGroup * kBits / 8);
      int8_t codes[kGroup];
      if constexpr (kBits == 8) {
        __builtin_memcpy(codes, packed, sizeof codes);
      } else {
        for (int64_t j = 0; j < kHalf; ++j) {
          codes[j] = static_cast<int8_t>(packed[j] & 15);
          codes[j + kHalf] = static_cast<int8_t>(packed[j] >> 4);
        }
      }
      Half scales[kGroup] = {}, offsets[kGroup] = {};  // one each of channels, or the group's again and again
      const int64_t first = group * kGroup;
      const int64_t count = tile.dim - first < kGroup ? tile.dim - first : kGroup;
      for (int64_t j = 0; j < count; ++j) {
        const int64_t at = tile.are_keys ? first + j : row * groups + group;
        scales[j] = tile.codes.scales[at];
        offsets[j] = tile.codes.offsets[at];
      }
      float* to = tile.floats + (row - begin) * tile.padded_dim + first;
      const int64_t padded = tile.padded_dim - first < kGroup ? tile.padded_dim - first : kGroup;
      for (int64_t j = 0; j < padded; j += Simd::kWidth)
        Simd::store(to + j, Simd::fma(Simd::load_int8(reinterpret_cast<const std::byte*>(codes + j)),
                                      Simd::load_half(reinterpret_cast<const std::byte*>(scales + j)),
                                      Simd::load_half(reinterpret_cast<const std::byte*>(offsets + j))));
    }
  }
}

#if defined(__AVX512F__)
/// int8 codes in fours, by 32 rows.
void load_fours(const KvTile& tile, int64_t begin, int64_t end) {
  for (int64_t first = begin; first < end; first += kFoursTokens) {
    float* floats = tile.floats + (first - begin) * tile.padded_dim;
    unfold(tile.stored + first * tile.dim, tile.are_keys, tile.dim,
           [&](int64_t row, int64_t column, const std::byte* codes) {
             const Float scale = Simd::broadcast(tile.scales[first + row]);
             Simd::store(floats + row * tile.padded_dim + column, Simd::mul(Simd::load_int8(codes), scale));
           });
  }
}
#endif

/// Rows in floats, in a cache.
struct FloatRows {
  static constexpr int64_t kBytes = 4;
  static constexpr int kMostKeys = 4;
  const float* at;
  int64_t dim;
  Float load(int64_t row, int64_t i) const { return Simd::load(at + row * dim + i); }
  void fetch(int64_t) const {}
};

void store_floats(const KvTile& tile, int64_t begin, int64_t end) {
  switch (tile.format) {
    case KvFormat::f32:
      return load_rows<4>(tile, begin, end,
                          [](const std::byte* p) { return Simd::load(reinterpret_cast<const float*>(p)); });
    case KvFormat::f16:
      return load_rows<2>(tile, begin, end, [](const std::byte* p) { return Simd::load_half(p); });
    case KvFormat::bf16:
      return load_rows<2>(tile, begin, end, [](const std::byte* p) { return Simd::load_bfloat(p); });
    case KvFormat::int8:
#if defined(__AVX512F__)
      if (tile.order == KvOrder::fours) return load_fours(tile, begin, end);
#endif
      return load_rows<1>(tile, begin, end, [](const std::byte* p) { return Simd::load_int8(p); });
    case KvFormat::int4:
      return load_codes<4>(tile, begin, end);
    case KvFormat::int8_channel:
      return load_codes<8>(tile, begin, end);
  }
}

FloatRows load_tile(const KvTile& tile, int64_t begin, int64_t end) {
  store_floats(tile, begin, end);
  return {tile.floats, tile.padded_dim};
}

}  // namespace
}  // namespace halftone::cpu
