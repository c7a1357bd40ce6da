#include "backend/cpu/maps/maps_simd.h"

namespace halftone::cpu {

const MapLoops map_loops_neon = kMapLoops;

}  // namespace halftone::cpu
