#include "backend/cpu/reduction/places_simd.h"

namespace halftone::cpu {

const FoldLoops fold_loops_neon = kFoldLoops;

}  // namespace halftone::cpu
