#include "backend/cpu/reduction/places_simd.h"

namespace halftone::cpu {

const FoldLoops fold_loops_avx512vnni = kFoldLoops;

}  // namespace halftone::cpu
