#include "backend/cpu/paged_attention/attention_simd.h"

namespace halftone::cpu {

const AttentionLoops attention_neon = kAttentionLoops;

}  // namespace halftone::cpu
