#include "backend/cpu/winograd/winograd_simd.h"

namespace halftone::cpu {

const WinogradLoops winograd_neon = kWinogradLoops;

}  // namespace halftone::cpu
