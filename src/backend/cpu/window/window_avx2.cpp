#include "backend/cpu/window/window_simd.h"

namespace halftone::cpu {

const WindowLoops window_avx2 = kWindowLoops;

}  // namespace halftone::cpu
