#include "backend/cpu/winograd/winograd_simd.h"

namespace halftone::cpu {

const WinogradLoops winograd_avx2 = kWinogradLoops;

}  // namespace halftone::cpu
