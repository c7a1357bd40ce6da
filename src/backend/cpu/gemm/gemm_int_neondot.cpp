#include "backend/cpu/gemm/gemm_int_loops.h"
#include "backend/cpu/gemm/int_neon_vectors.h"

namespace halftone::cpu {

const IntGemmLoops int_gemm_neondot = kIntGemmLoops<NeonDot>;

}  // namespace halftone::cpu
