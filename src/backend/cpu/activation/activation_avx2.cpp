#include "backend/cpu/activation/activation_simd.h"

namespace halftone::cpu {

const ActivationLoops activation_avx2 = kActivationLoops;

}  // namespace halftone::cpu
