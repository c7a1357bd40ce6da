#include "backend/cpu/winograd/winograd_line_simd.h"

namespace halftone::cpu {

const WinogradLineLoops winograd_line_avx512vnni = kWinogradLineLoops;

}  // namespace halftone::cpu
