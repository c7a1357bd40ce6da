#include "backend/cpu/reduction/places_simd.h"

namespace halftone::cpu {

const FoldLoops fold_loops_avx2 = kFoldLoops;

}  // namespace halftone::cpu
