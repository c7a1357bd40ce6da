#include <immintrin.h>

#include "backend/cpu/int8/code_elements_loops.h"
#include "backend/cpu/int8/code_finish_avx2.h"

namespace halftone::cpu {
namespace {

void map(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t count) {
  int64_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i), CodeFinishAvx2::look_up(table, codes));
  }
  map_plain(table, x + i, y + i, count - i);
}

}  // namespace

const CodeElementLoops code_elements_avx2 = {add, multiply, map, blend, encode, decode};

}  // namespace halftone::cpu
