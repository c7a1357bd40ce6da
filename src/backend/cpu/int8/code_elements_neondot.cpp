#include "backend/cpu/int8/code_elements_loops.h"

namespace halftone::cpu {

const CodeElementLoops code_elements_neondot = {add, multiply, map_plain, blend, encode, decode};

}  // namespace halftone::cpu
