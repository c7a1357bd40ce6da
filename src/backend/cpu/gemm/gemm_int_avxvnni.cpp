#include "backend/cpu/gemm/gemm_int_loops.h"
#include "backend/cpu/gemm/int_avxvnni_vectors.h"

namespace halftone::cpu {

const IntGemmLoops int_gemm_avxvnni = kIntGemmLoops<AvxVnni>;

}  // namespace halftone::cpu
