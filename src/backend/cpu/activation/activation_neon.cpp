#include "backend/cpu/activation/activation_simd.h"

namespace halftone::cpu {

const ActivationLoops activation_neon = kActivationLoops;

}  // namespace halftone::cpu
