#include "backend/cpu/reduction/fold_simd.h"

namespace halftone::cpu {

const FoldLoops fold_loops_neon = kFoldLoops;

}  // namespace halftone::cpu
