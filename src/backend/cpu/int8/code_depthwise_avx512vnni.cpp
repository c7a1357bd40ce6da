#include <immintrin.h>

#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/byte_products_avx512.h"
#include "backend/cpu/int8/code_depthwise.h"
#include "backend/cpu/int8/code_finish_avx512.h"

namespace halftone::cpu {
namespace {

/// Interleaving the bytes of four taps leaves in vector v, 128-bit lane l, place i channel 16 l + 4 v + i.
struct Order {
  uint8_t channel[64];
  constexpr Order() : channel{} {
    for (int v = 0; v < 4; ++v)
      for (int l = 0; l < 4; ++l)
        for (int i = 0; i < 4; ++i) channel[16 * v + 4 * l + i] = static_cast<uint8_t>(16 * l + 4 * v + i);
  }
};
constexpr Order kOrder;

/// Packing 32 to 16 to 8 bits goes the way of the interleaving back: codes are in order again.
__m512i codes_in_order(const __m512i (&x)[4], const CodeFinish& f) {
  const __m512i zero = _mm512_set1_epi16(static_cast<int16_t>(f.zero));
  const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(x[0], x[1]), zero);
  const __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(x[2], x[3]), zero);
  __m512i codes = _mm512_packus_epi16(low, high);
  codes = _mm512_max_epu8(codes, _mm512_set1_epi8(static_cast<char>(f.lowest)));
  codes = _mm512_min_epu8(codes, _mm512_set1_epi8(static_cast<char>(f.highest)));
  return f.table ? CodeFinishAvx512::look_up(f.table, codes) : codes;
}

/// Lane l of vector v goes to lane v of vector l, which is their order.
void store_floats(const __m512i (&sums)[4], const CodeFinish& f, int64_t first, float* to, int64_t channels) {
  __m512 x[4];
  for (int v = 0; v < 4; ++v) x[v] = CodeFinishAvx512::scaled(sums[v], f, first + 16 * v);
  const __m512 low01 = _mm512_shuffle_f32x4(x[0], x[1], 0x44),
               high01 = _mm512_shuffle_f32x4(x[0], x[1], 0xee);
  const __m512 low23 = _mm512_shuffle_f32x4(x[2], x[3], 0x44),
               high23 = _mm512_shuffle_f32x4(x[2], x[3], 0xee);
  const __m512 ordered[4] = {
      _mm512_shuffle_f32x4(low01, low23, 0x88), _mm512_shuffle_f32x4(low01, low23, 0xdd),
      _mm512_shuffle_f32x4(high01, high23, 0x88), _mm512_shuffle_f32x4(high01, high23, 0xdd)};
  for (int l = 0; l < 4 && 16 * l < channels; ++l) {
    const int64_t left = channels - 16 * l;
    _mm512_mask_storeu_ps(to + 16 * l, static_cast<__mmask16>(left >= 16 ? 0xffff : (1u << left) - 1),
                          ordered[l]);
  }
}

/// `codes(sum, output)`: the rounded product of 16 sums.
template <class Codes>
void run_block(const CodeDepthwise& work, const CodeFinish& f, int64_t block, int64_t channels, Codes codes) {
  const __mmask64 mask = channels >= 64 ? ~__mmask64{0} : (__mmask64{1} << channels) - 1;
  const int64_t first = block * 64;
  for (int64_t r = 0; r < work.count; ++r) {
    __m512i sum[4];
    for (int v = 0; v < 4; ++v) sum[v] = _mm512_loadu_si512(work.bias + first + 16 * v);
    const int8_t* weights = work.weights + first * work.taps;
    const uint8_t* const* rows = work.rows + r;
    for (int64_t tap = 0; tap < work.taps; tap += 4, weights += 256) {
      __m512i x[4];
      for (int t = 0; t < 4; ++t, rows += work.row_step) x[t] = _mm512_maskz_loadu_epi8(mask, *rows + first);
      const __m512i low01 = _mm512_unpacklo_epi8(x[0], x[1]), high01 = _mm512_unpackhi_epi8(x[0], x[1]);
      const __m512i low23 = _mm512_unpacklo_epi8(x[2], x[3]), high23 = _mm512_unpackhi_epi8(x[2], x[3]);
      const __m512i quads[4] = {_mm512_unpacklo_epi16(low01, low23), _mm512_unpackhi_epi16(low01, low23),
                                _mm512_unpacklo_epi16(high01, high23), _mm512_unpackhi_epi16(high01, high23)};
      for (int v = 0; v < 4; ++v)
        sum[v] = add_byte_products(sum[v], quads[v], _mm512_loadu_si512(weights + 64 * v));
    }
    if (work.floats) {
      store_floats(sum, f, first, work.floats + r * work.out_step + first, channels);
      continue;
    }
    for (int v = 0; v < 4; ++v) sum[v] = codes(sum[v], first + 16 * v);
    _mm512_mask_storeu_epi8(work.out + r * work.out_step + first, mask, codes_in_order(sum, f));
  }
}

template <class Codes>
void run_blocks(const CodeDepthwise& work, const CodeFinish& finish, Codes codes) {
  for (int64_t first = 0; first < work.channels; first += 64)
    run_block(work, finish, first / 64, work.channels - first, codes);
}

void run(const CodeDepthwise& work, const CodeFinish& finish) {
  const CodeFinish f = finish;
  if (f.gate != Gate::none)
    return run_blocks(work, f, [&](__m512i sum, int64_t output) {
      return CodeFinishAvx512::GainedProduct::at(f, output)(sum, f);
    });
  run_blocks(work, f,
             [&](__m512i sum, int64_t output) { return CodeFinishAvx512::requantize(sum, f, output); });
}

}  // namespace

const CodeDepthwiseLoops code_depthwise_avx512vnni = {
    64, 4, false, kOrder.channel, run, &activation_avx512vnni};

}  // namespace halftone::cpu
