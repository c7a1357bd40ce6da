#include "backend/cpu/int8/code_tile_avx512.h"

namespace halftone::cpu {
namespace {

void to_codes(const CodeTile& tile, const CodeFinish& finish, uint8_t* out) {
  visit_finish(finish, [&]<class V>(V) { tile_to_codes<V>(tile, finish, out); });
}

}  // namespace

const CodeLoops code_loops_avx512vnni = {
    Avx512VnniAny::kCodeBias,   kCodeQuad, no_scratch, to_codes, tile_to_floats<Avx512VnniAny>,
    Avx512VnniAny::kActivations};

}  // namespace halftone::cpu
