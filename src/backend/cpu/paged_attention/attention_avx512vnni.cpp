#include "backend/cpu/paged_attention/attention_simd.h"

namespace halftone::cpu {

const AttentionLoops attention_avx512vnni = kAttentionLoops;

}  // namespace halftone::cpu
