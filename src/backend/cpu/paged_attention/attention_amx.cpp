#include "backend/cpu/bf16_parts_avx512.h"
#include "backend/cpu/paged_attention/attention_simd.h"
#include "backend/cpu/paged_attention/attention_tiles.h"
#include "backend/cpu/simd_transpose.h"
#include "base/amx_tiles.h"

// Products are of bf16 numbers, summed in f32, so a number goes as the sum of two of them (16 bits: an f16
// whole), and of the four products of two such sums that of the small parts is left out: a relative error of
// 2^-16 in each product, a 32nd of what keys and values lose in f16. Those in bf16 and int8 codes are one
// part, and scales of codes are left to scores and weights.
//   scores^T [tokens, queries] = keys [tokens, dim] queries^T [dim, queries]
//   sums [queries, dim] += weights [queries, tokens] values [tokens, dim]
// A of a product lies by rows, B by pairs of rows: [depth / 2, columns, 2]. Scores are transposed so that
// neither keys nor queries need be turned round for each other, and softmax runs over vectors of 16 queries.

namespace halftone::cpu {
namespace {

constexpr int64_t kTile = 16;   ///< rows of a tile, and columns of sums
constexpr int64_t kDepth = 32;  ///< bf16 numbers in a row of a tile
constexpr int64_t kTileBytes = 1024;
constexpr int64_t kTokens = StoredRows::kMost;
constexpr int kParts = 2;

/// Where operands lie.
struct Operands {
  int64_t query_tiles, steps;  ///< steps of kDepth in padded_dim
  uint16_t* queries;           ///< [query_tiles][kParts][steps] tiles
  uint16_t* keys;              ///< [kParts][kTokens][padded_dim]
  uint16_t* values;            ///< [kParts][kTokens / 2][padded_dim][2]
  uint16_t* weights;           ///< [query_tiles][kParts][kTile][kTokens]
  float* scores;               ///< [query_tiles][kTokens][kTile]

  Operands(std::byte* scratch, int64_t count, int64_t padded_dim)
      : query_tiles((count + AttentionTiles::kQueries - 1) / AttentionTiles::kQueries *
                    (AttentionTiles::kQueries / kTile)),
        steps(padded_dim / kDepth) {
    auto take = [&](int64_t bytes) {
      std::byte* taken = scratch;
      scratch += bytes;
      return taken;
    };
    const int64_t stored = kParts * kTokens * padded_dim * 2;
    queries = reinterpret_cast<uint16_t*>(take(query_tiles * kParts * steps * kTileBytes));
    keys = reinterpret_cast<uint16_t*>(take(stored));
    values = reinterpret_cast<uint16_t*>(take(stored));
    weights = reinterpret_cast<uint16_t*>(take(query_tiles * kParts * kTile * kTokens * 2));
    scores = reinterpret_cast<float*>(take(query_tiles * kTokens * kTile * 4));
    end = scratch;
  }
  const uint16_t* query_tile(int64_t tile, int part, int64_t step) const {
    return queries + ((tile * kParts + part) * steps + step) * (kTileBytes / 2);
  }
  uint16_t* weight_rows(int64_t tile, int part) const {
    return weights + (tile * kParts + part) * kTile * kTokens;
  }
  const std::byte* end;
};

size_t scratch_bytes(int64_t queries, int64_t padded_dim) {
  return static_cast<size_t>(Operands(nullptr, queries, padded_dim).end - static_cast<std::byte*>(nullptr));
}

void begin(const QueryTile& tile, std::byte* scratch) {
  const Operands operands(scratch, tile.count, tile.padded_dim);
  for (int64_t q = 0; q < operands.query_tiles; ++q)
    for (int64_t step = 0; step < operands.steps; ++step) {
      __m512i parts[kParts][kTile];
      for (int64_t r = 0; r < kTile; ++r) {
        const int64_t query = q * kTile + r;
        const float* from = tile.queries + query * tile.padded_dim + step * kDepth;
        const __mmask16 there = query < tile.count ? 0xffff : 0;
        const __m512 low = _mm512_maskz_loadu_ps(there, from), high = _mm512_maskz_loadu_ps(there, from + 16);
        __m512i own[kParts];
        split(low, high, own);
        for (int p = 0; p < kParts; ++p) parts[p][r] = own[p];
      }
      for (int p = 0; p < kParts; ++p) {
        transpose_16x16(parts[p]);
        auto* to = const_cast<uint16_t*>(operands.query_tile(q, p, step));
        for (int64_t r = 0; r < kTile; ++r) _mm512_store_si512(to + r * kDepth, parts[p][r]);
      }
    }
  for (int64_t query = tile.count; query < operands.query_tiles * kTile; ++query) {
    tile.first[query] = 0;
    tile.last[query] = -1;
    tile.highest[query] = -__builtin_inff();
    tile.total[query] = 0;
    for (int64_t i = 0; i < tile.padded_dim; ++i) tile.sum[query * tile.padded_dim + i] = 0;
  }
}

/// The parts of 32 stored numbers, of which `there` exist.
template <KvFormat kFormat>
void load_parts(const std::byte* from, __mmask32 there, __m512i (&parts)[kParts]) {
  if constexpr (kFormat == KvFormat::bf16) {
    parts[0] = _mm512_maskz_loadu_epi16(there, from);
  } else if constexpr (kFormat == KvFormat::f16) {
    const __m512i halves = _mm512_maskz_loadu_epi16(there, from);
    const __m512 low = _mm512_cvtph_ps(_mm512_castsi512_si256(halves));
    const __m512 high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halves, 1));
    split(low, high, parts);
  } else {
    const __m256i codes = _mm256_maskz_loadu_epi8(there, from);
    const __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_castsi256_si128(codes)));
    const __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_extracti128_si256(codes, 1)));
    parts[0] = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
  }
}

template <KvFormat kFormat>
constexpr int kPartsOf = kFormat == KvFormat::f16 ? 2 : 1;
template <KvFormat kFormat>
constexpr int64_t kBytesOf = kFormat == KvFormat::int8 ? 1 : 2;

__mmask32 columns_there(int64_t dim, int64_t from) {
  return dim - from >= kDepth ? ~__mmask32{0} : static_cast<__mmask32>((uint64_t{1} << (dim - from)) - 1);
}

/// Rows beyond the last, to a multiple of kDepth, become zeros.
template <KvFormat kFormat>
void load_rows(const StoredRows& rows, int64_t padded_dim, const Operands& to) {
  const __m512i low_pairs = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39,
                                             7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const __m512i high_pairs = _mm512_add_epi16(low_pairs, _mm512_set1_epi16(16));
  const int64_t part_step = kTokens * padded_dim;
  const int64_t padded = (rows.count + kDepth - 1) / kDepth * kDepth;
  for (int64_t t = 0; t < padded; t += 2)
    for (int64_t step = 0; step < to.steps; ++step) {
      const __mmask32 there = columns_there(rows.dim, step * kDepth);
      __m512i values[2][kParts];
      for (int64_t r = 0; r < 2; ++r) {
        const bool exists = t + r < rows.count;
        const int64_t at = exists ? t + r : 0;
        const __mmask32 mask = exists ? there : 0;
        __m512i keys[kParts];
        load_parts<kFormat>(rows.keys[at] + step * kDepth * kBytesOf<kFormat>, mask, keys);
        load_parts<kFormat>(rows.values[at] + step * kDepth * kBytesOf<kFormat>, mask, values[r]);
        for (int p = 0; p < kPartsOf<kFormat>; ++p)
          _mm512_store_si512(to.keys + p * part_step + (t + r) * padded_dim + step * kDepth, keys[p]);
      }
      for (int p = 0; p < kPartsOf<kFormat>; ++p) {
        uint16_t* pairs = to.values + p * part_step + t * padded_dim + step * kDepth * 2;
        _mm512_store_si512(pairs, _mm512_permutex2var_epi16(values[0][p], low_pairs, values[1][p]));
        _mm512_store_si512(pairs + kDepth, _mm512_permutex2var_epi16(values[0][p], high_pairs, values[1][p]));
      }
    }
}

// Sums are tiles 0 to 3, of A's 4 and 5 by B's 6 and 7.
#define HALFTONE_LOAD_A(first, second, stride) \
  _tile_loadd(4, first, stride);               \
  _tile_loadd(5, second, stride)
#define HALFTONE_LOAD_B(first, second, stride) \
  _tile_loadd(6, first, stride);               \
  _tile_loadd(7, second, stride)
#define HALFTONE_MULTIPLY() \
  _tile_dpbf16ps(0, 4, 6);  \
  _tile_dpbf16ps(1, 4, 7);  \
  _tile_dpbf16ps(2, 5, 6);  \
  _tile_dpbf16ps(3, 5, 7)

/// Scores of 32 tokens from `token` on and of query tiles `query` and the next.
template <int kKeyParts>
void score_tiles(const Operands& operands, int64_t padded_dim, int64_t query, int64_t token) {
  const int64_t key_stride = padded_dim * 2, part_step = kTokens * padded_dim;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t step = 0; step < operands.steps; ++step) {
    const uint16_t* keys = operands.keys + token * padded_dim + step * kDepth;
    auto load_queries = [&](int part) {
      HALFTONE_LOAD_B(operands.query_tile(query, part, step), operands.query_tile(query + 1, part, step), 64);
    };
    load_queries(0);
    if constexpr (kKeyParts == 2) {
      HALFTONE_LOAD_A(keys + part_step, keys + part_step + kTile * padded_dim, key_stride);
      HALFTONE_MULTIPLY();
    }
    HALFTONE_LOAD_A(keys, keys + kTile * padded_dim, key_stride);
    HALFTONE_MULTIPLY();
    load_queries(1);
    HALFTONE_MULTIPLY();
  }
  float* to = operands.scores + (query * kTokens + token) * kTile;
  _tile_stored(0, to, 64);
  _tile_stored(1, to + kTokens * kTile, 64);
  _tile_stored(2, to + kTile * kTile, 64);
  _tile_stored(3, to + (kTokens + kTile) * kTile, 64);
}

/// Adds to the sums of two query tiles, over all columns, weights times values of tokens [0, tokens).
template <int kValueParts>
void add_tiles(const Operands& operands, const QueryTile& tile, int64_t query, int64_t tokens) {
  const int64_t stride = tile.padded_dim * 4, part_step = kTokens * tile.padded_dim;
  auto load_weights = [&](int part, int64_t t) {
    HALFTONE_LOAD_A(operands.weight_rows(query, part) + t, operands.weight_rows(query + 1, part) + t,
                    kTokens * 2);
  };
  for (int64_t i = 0; i < tile.padded_dim; i += kDepth) {
    float* sum = tile.sum + query * kTile * tile.padded_dim + i;
    float* next = sum + kTile * tile.padded_dim;
    _tile_loadd(0, sum, stride);
    _tile_loadd(1, sum + kTile, stride);
    _tile_loadd(2, next, stride);
    _tile_loadd(3, next + kTile, stride);
    for (int64_t t = 0; t < tokens; t += kDepth) {
      const uint16_t* values = operands.values + t * tile.padded_dim + i * 2;
      HALFTONE_LOAD_B(values, values + kDepth, stride);
      load_weights(1, t);
      HALFTONE_MULTIPLY();
      load_weights(0, t);
      HALFTONE_MULTIPLY();
      if constexpr (kValueParts == 2) {
        HALFTONE_LOAD_B(values + part_step, values + part_step + kDepth, stride);
        HALFTONE_MULTIPLY();
      }
    }
    _tile_stored(0, sum, stride);
    _tile_stored(1, sum + kTile, stride);
    _tile_stored(2, next, stride);
    _tile_stored(3, next + kTile, stride);
  }
}

#undef HALFTONE_LOAD_A
#undef HALFTONE_LOAD_B
#undef HALFTONE_MULTIPLY

/// 16 floats' two parts side by side: the first in the high halves.
__m512i both_parts(__m512 x) {
  const __m512i first =
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x))), 16);
  const __m512 rest = _mm512_sub_ps(x, _mm512_castsi512_ps(first));
  return _mm512_or_si512(first, _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(rest))));
}

/// What 16 queries see of a tile's tokens.
struct View {
  __m512i first, last;  ///< counted from the tile's first token
  bool none, all;

  View(const QueryTile& tile, int64_t query, int64_t position, int64_t tokens) {
    const __m512i start = _mm512_set1_epi32(static_cast<int>(position));
    first = _mm512_sub_epi32(_mm512_loadu_si512(tile.first + query), start);
    last = _mm512_sub_epi32(_mm512_loadu_si512(tile.last + query), start);
    const __m512i end = _mm512_set1_epi32(static_cast<int>(tokens) - 1);
    const __mmask16 seen = _mm512_cmple_epi32_mask(first, last) & _mm512_cmple_epi32_mask(first, end) &
                           _mm512_cmpge_epi32_mask(last, _mm512_setzero_si512());
    none = seen == 0;
    all = (_mm512_cmple_epi32_mask(first, _mm512_setzero_si512()) & _mm512_cmpge_epi32_mask(last, end)) ==
          0xffff;
  }
  __mmask16 operator()(int64_t token) const {
    const __m512i t = _mm512_set1_epi32(static_cast<int>(token));
    return _mm512_cmple_epi32_mask(first, t) & _mm512_cmpge_epi32_mask(last, t);
  }
};

/// Scores of a tile of queries become weights in two parts; its sums so far shrink.
void weigh_tile(const QueryTile& tile, const StoredRows& rows, const Operands& operands, int64_t q,
                const View& view) {
  const bool scaled = rows.format == KvFormat::int8;
  const int64_t query = q * kTile;
  float* scores = operands.scores + q * kTokens * kTile;
  const __m512 hidden = _mm512_set1_ps(-__builtin_inff());
  const __m512 before = _mm512_loadu_ps(tile.highest + query);
  __m512 highest = before;
  for (int64_t t = 0; t < rows.count; ++t) {
    __m512 score = _mm512_load_ps(scores + t * kTile);
    if (scaled) score = _mm512_mul_ps(score, _mm512_set1_ps(rows.key_scales[t]));
    if (tile.softcap > 0) score = capped(score, tile.softcap);
    if (!view.all) score = _mm512_mask_mov_ps(hidden, view(t), score);
    _mm512_store_ps(scores + t * kTile, score);
    highest = _mm512_max_ps(highest, score);
  }
  // Queries that have seen nothing yet keep weights of 0 and not of NaN.
  const __m512 shift = Simd::where_less(hidden, highest, highest, Simd::zero());
  const __m512 shrink = exp_negative(_mm512_sub_ps(before, shift));
  __m512 total = _mm512_mul_ps(_mm512_loadu_ps(tile.total + query), shrink);
  for (int64_t t = 0; t < rows.count; t += kDepth) {
    __m512i parts[2][kTile];
    for (int64_t half = 0; half < 2; ++half) {
      for (int64_t r = 0; r < kTile; ++r) {
        const int64_t token = t + half * kTile + r;
        parts[half][r] = _mm512_setzero_si512();
        if (token >= rows.count) continue;
        __m512 weight = exp_negative(_mm512_sub_ps(_mm512_load_ps(scores + token * kTile), shift));
        total = _mm512_add_ps(total, weight);
        if (scaled) weight = _mm512_mul_ps(weight, _mm512_set1_ps(rows.value_scales[token]));
        parts[half][r] = both_parts(weight);
      }
      transpose_16x16(parts[half]);
    }
    for (int64_t r = 0; r < kTile; ++r) {
      const __m512i seconds = _mm512_set_epi16(62, 60, 58, 56, 54, 52, 50, 48, 46, 44, 42, 40, 38, 36, 34, 32,
                                               30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
      const __m512i firsts = _mm512_add_epi16(seconds, _mm512_set1_epi16(1));
      _mm512_store_si512(operands.weight_rows(q, 0) + r * kTokens + t,
                         _mm512_permutex2var_epi16(parts[0][r], firsts, parts[1][r]));
      _mm512_store_si512(operands.weight_rows(q, 1) + r * kTokens + t,
                         _mm512_permutex2var_epi16(parts[0][r], seconds, parts[1][r]));
    }
  }
  _mm512_storeu_ps(tile.highest + query, highest);
  _mm512_storeu_ps(tile.total + query, total);
  alignas(64) float factors[kTile];
  _mm512_store_ps(factors, shrink);
  const __mmask16 shrinking = _mm512_cmp_ps_mask(shrink, _mm512_set1_ps(1.0f), _CMP_NEQ_UQ);
  for (int64_t r = 0; r < kTile; ++r) {
    if (!(shrinking >> r & 1)) continue;
    float* sum = tile.sum + (query + r) * tile.padded_dim;
    for (int64_t i = 0; i < tile.padded_dim; i += 16)
      _mm512_storeu_ps(sum + i, _mm512_mul_ps(_mm512_loadu_ps(sum + i), _mm512_set1_ps(factors[r])));
  }
}

template <KvFormat kFormat>
void attend_rows(const QueryTile& tile, const StoredRows& rows, int64_t position, const Operands& operands) {
  load_rows<kFormat>(rows, tile.padded_dim, operands);
  for (int64_t q = 0; q < operands.query_tiles; q += 2) {
    const View views[] = {{tile, q * kTile, position, rows.count},
                          {tile, (q + 1) * kTile, position, rows.count}};
    if (views[0].none && views[1].none) continue;
    finish_stores();
    for (int64_t t = 0; t < rows.count; t += kDepth)
      score_tiles<kPartsOf<kFormat>>(operands, tile.padded_dim, q, t);
    for (int64_t i = 0; i < 2; ++i) weigh_tile(tile, rows, operands, q + i, views[i]);
    finish_stores();
    add_tiles<kPartsOf<kFormat>>(operands, tile, q, rows.count);
  }
}

void attend(const QueryTile& tile, const StoredRows& rows, int64_t position, std::byte* scratch) {
  static constexpr AmxTiles kShapes = AmxTiles::all_full();
  const Operands operands(scratch, tile.count, tile.padded_dim);
  load_shapes(kShapes);
  if (rows.format == KvFormat::f16)
    attend_rows<KvFormat::f16>(tile, rows, position, operands);
  else if (rows.format == KvFormat::bf16)
    attend_rows<KvFormat::bf16>(tile, rows, position, operands);
  else
    attend_rows<KvFormat::int8>(tile, rows, position, operands);
  _tile_release();
}

void unfold_to_rows(const std::byte* stored, bool keys, int64_t dim, std::byte* rows) {
  unfold(stored, keys, dim, [&](int64_t row, int64_t column, const std::byte* codes) {
    __builtin_memcpy(rows + row * dim + column, codes, 16);
  });
}

constexpr AttentionTiles kTiles{128, 17, scratch_bytes, unfold_to_rows, begin, attend};

}  // namespace

const AttentionLoops attention_amx{score,         add,     encode_queries, attend_few<1>,
                                   attend_few<2>, &kTiles, kReadsFours};

}  // namespace halftone::cpu
