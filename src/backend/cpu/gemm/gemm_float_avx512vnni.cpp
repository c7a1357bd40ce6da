#include "backend/cpu/gemm/avx512_vectors.h"
#include "backend/cpu/gemm/gemm_float_loops.h"

namespace halftone::cpu {

const FloatGemmLoops float_gemm_avx512vnni = kFloatGemmLoops<Avx512>;

}  // namespace halftone::cpu
