#include "backend/cpu/window/window_simd.h"

namespace halftone::cpu {

const WindowLoops window_neon = kWindowLoops;

}  // namespace halftone::cpu
