#include "backend/cpu/reduction/fold_simd.h"

namespace halftone::cpu {

const FoldLoops fold_loops_avx2 = kFoldLoops;

}  // namespace halftone::cpu
