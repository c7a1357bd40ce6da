#include "backend/cuda/paged_attention/attention_prefill_kernels.h"
#include "backend/cuda/paged_attention/prefill.h"

namespace halftone::cuda {

// Three blocks of four warps an SM up to 128 elements, of 168 registers a thread and 64 KB; two beyond, and
// where 128 elements of 16 bits take more registers (before 9.0, whose shared memory has room for two).
#define HALFTONE_PREFILL(type, element, dim, blocks)                                                       \
  DEVICE_KERNEL_BOUNDED(attention_prefill_##type##_##dim, AttentionPrefillArgs, kPrefillThreads, blocks) { \
    prefill<element, dim>(args.view, args.least_rows, NoScoreMask{}, PlainEnds{});                         \
  }
HALFTONE_PREFILL(f16, f16, 64, 3)
HALFTONE_PREFILL(f16, f16, 128, kSince90 ? 3 : 2)
HALFTONE_PREFILL(f16, f16, 256, 2)
HALFTONE_PREFILL(bf16, bf16, 64, 3)
HALFTONE_PREFILL(bf16, bf16, 128, kSince90 ? 3 : 2)
HALFTONE_PREFILL(bf16, bf16, 256, 2)
HALFTONE_PREFILL(int8, int8_t, 64, 3)
HALFTONE_PREFILL(int8, int8_t, 128, 3)
HALFTONE_PREFILL(int8, int8_t, 256, 2)

}  // namespace halftone::cuda
