#include "backend/cpu/gemm/gemm_int_loops.h"
#include "backend/cpu/gemm/int_avx512_vectors.h"

namespace halftone::cpu {

const IntGemmLoops int_gemm_avx512vnni = kIntGemmLoops<Avx512Vnni>;

}  // namespace halftone::cpu
