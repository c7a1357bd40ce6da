#include "backend/cpu/winograd/winograd_line_simd.h"

namespace halftone::cpu {

const WinogradLineLoops winograd_line_neon = kWinogradLineLoops;

}  // namespace halftone::cpu
