#include <immintrin.h>

#include "backend/cpu/gemm/nibble_bytes.h"

namespace halftone::cpu {
namespace {

struct Avx2Bytes {
  using Bytes = __m256i;
  using Float = __m256;
  static constexpr int64_t kBytes = 32, kLanes = 8;
  static constexpr int kOutputs[] = {4, 4, 1};  ///< beside 1, 2 and 4 rows
  /// Sums of a row that do not wait for each other: as many beside other rows, so that its bits are the same.
  static constexpr int kParts = 2;

  static Bytes zero() { return _mm256_setzero_si256(); }
  static Bytes load(const std::byte* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static Bytes low_nibbles(Bytes x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
  static Bytes high_nibbles(Bytes x) { return low_nibbles(_mm256_srli_epi16(x, 4)); }
  static Bytes table(const uint8_t (&of_codes)[16]) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(of_codes)));
  }
  static Bytes look_up(Bytes table, Bytes codes) { return _mm256_shuffle_epi8(table, codes); }
  static Bytes zip_first_8(Bytes a, Bytes b) { return _mm256_unpacklo_epi8(a, b); }
  static Bytes zip_second_8(Bytes a, Bytes b) { return _mm256_unpackhi_epi8(a, b); }
  static Bytes zip_first_16(Bytes a, Bytes b) { return _mm256_unpacklo_epi16(a, b); }
  static Bytes zip_second_16(Bytes a, Bytes b) { return _mm256_unpackhi_epi16(a, b); }

  static Float as_floats(Bytes x) { return _mm256_castsi256_ps(x); }
  static Float broadcast(float x) { return _mm256_set1_ps(x); }
  static Float halves(float first, float last) {
    return _mm256_set_m128(_mm_set1_ps(last), _mm_set1_ps(first));
  }
  static Float load_floats(const float* from) { return _mm256_loadu_ps(from); }
  static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Float subtract(Float a, Float b) { return _mm256_sub_ps(a, b); }
  static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  static float sum(Float x) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  static float f16(uint16_t bits) { return _cvtsh_ss(bits); }
};

}  // namespace

const NibbleLoops nibble_rows_avx2 = {32, arrange_for_bytes<Avx2Bytes>, few_byte_rows<Avx2Bytes>};

}  // namespace halftone::cpu
