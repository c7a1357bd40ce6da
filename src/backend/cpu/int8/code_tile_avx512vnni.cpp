#include "backend/cpu/int8/code_tile_avx512.h"

namespace halftone::cpu {
namespace {

void to_codes(const CodeTile& tile, const CodeFinish& finish, uint8_t* out) {
  CodeFinishAvx512::is_plain(finish) ? tile_to_codes<Avx512Vnni<true>>(tile, finish, out)
                                     : tile_to_codes<Avx512Vnni<false>>(tile, finish, out);
}

}  // namespace

const CodeLoops code_loops_avx512vnni = {
    Avx512Vnni<false>::kCodeBias,   kCodeQuad, no_scratch, to_codes, tile_to_floats<Avx512Vnni<false>>,
    Avx512Vnni<false>::kActivations};

}  // namespace halftone::cpu
