#include "backend/cpu/tile/float_tile_simd.h"

namespace halftone::cpu {

const FloatTileLoops float_tile_avx512vnni = kFloatTileLoops;

}  // namespace halftone::cpu
