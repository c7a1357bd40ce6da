#pragma once

#include <cstdint>

#include "backend/map.h"

namespace halftone::cpu {

/// Loops over floats for one instruction set.
struct MapLoops {
  /// y = f(x) for each of `count` floats; x may be y.
  void (*apply)(Map f, float a, float b, const float* x, float* y, int64_t count);
};

extern const MapLoops map_loops_avx512vnni;
extern const MapLoops map_loops_avx2;
extern const MapLoops map_loops_neon;

}  // namespace halftone::cpu
