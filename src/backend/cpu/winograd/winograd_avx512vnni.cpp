#include "backend/cpu/winograd/winograd_simd.h"

namespace halftone::cpu {

const WinogradLoops winograd_avx512vnni = kWinogradLoops;

}  // namespace halftone::cpu
