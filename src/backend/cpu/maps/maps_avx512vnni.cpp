#include "backend/cpu/maps/maps_simd.h"

namespace halftone::cpu {

const MapLoops map_loops_avx512vnni = kMapLoops;

}  // namespace halftone::cpu
