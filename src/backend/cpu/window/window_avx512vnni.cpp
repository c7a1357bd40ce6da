#include "backend/cpu/window/window_simd.h"

namespace halftone::cpu {

const WindowLoops window_avx512vnni = kWindowLoops;

}  // namespace halftone::cpu
