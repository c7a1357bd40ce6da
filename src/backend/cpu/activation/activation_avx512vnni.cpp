#include "backend/cpu/activation/activation_simd.h"

namespace halftone::cpu {

const ActivationLoops activation_avx512vnni = kActivationLoops;

}  // namespace halftone::cpu
