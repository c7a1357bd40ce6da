#include "backend/cpu/softmax/softmax_simd.h"

namespace halftone::cpu {

const SoftmaxLoops softmax_avx512vnni_loops = kSoftmaxLoops;

}  // namespace halftone::cpu
