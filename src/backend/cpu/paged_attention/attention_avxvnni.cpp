#include "backend/cpu/paged_attention/attention_simd.h"

namespace halftone::cpu {

const AttentionLoops attention_avxvnni = kAttentionLoops;

}  // namespace halftone::cpu
