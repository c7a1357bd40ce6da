#include "backend/cpu/gemm/int_neon_rows.h"
#include "backend/cpu/gemm/int_quantize.h"

namespace halftone::cpu {

const IntGemmLoops int_gemm_neondot = {1,
                                       0,
                                       up_to<2 * kMostRows>,
                                       no_other_bytes,
                                       quantize_rows<NeonDot>,
                                       few_rows<NeonDot>,
                                       unpacked_bytes<1>,
                                       many_rows<NeonDot>};

}  // namespace halftone::cpu
