#include "backend/cpu/int8/code_winograd_loops_avx2.h"

// Products by vpmaddwd, as in code_tile_avx2.cpp: of 16-bit numbers anyway, so that the transformed ones cost
// no more each.

namespace halftone::cpu {
namespace {

struct Avx2Products {
  static __m256i first(__m256i a, __m256i b) { return _mm256_madd_epi16(a, b); }
  static __m256i add(__m256i sum, __m256i a, __m256i b) { return _mm256_add_epi32(sum, first(a, b)); }
};

}  // namespace

const CodeWinogradLoops code_winograd_2x2_avx2 = kLoops<WinogradOfTwo, Avx2Products>;
const CodeWinogradLoops code_winograd_4x4_avx2 = kLoops<WinogradOfFour, Avx2Products>;

}  // namespace halftone::cpu
