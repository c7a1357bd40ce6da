#include "backend/cpu/paged_attention/attention_simd.h"

namespace halftone::cpu {

const AttentionLoops attention_avx2 = kAttentionLoops;

}  // namespace halftone::cpu
