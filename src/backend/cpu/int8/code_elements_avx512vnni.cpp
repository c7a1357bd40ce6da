#include <immintrin.h>

#include "backend/cpu/int8/code_elements_loops.h"
#include "backend/cpu/int8/code_finish_avx512.h"

namespace halftone::cpu {
namespace {

void map(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t count) {
  int64_t i = 0;
  for (; i + 64 <= count; i += 64)
    _mm512_storeu_si512(y + i, CodeFinishAvx512::look_up(table, _mm512_loadu_si512(x + i)));
  map_plain(table, x + i, y + i, count - i);
}

}  // namespace

const CodeElementLoops code_elements_avx512vnni = {add, multiply, map, blend, encode, decode};

}  // namespace halftone::cpu
