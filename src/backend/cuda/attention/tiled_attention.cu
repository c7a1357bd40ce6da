#include "backend/cuda/attention/tiled_attention_kernels.h"
#include "backend/cuda/paged_attention/prefill.h"

namespace halftone::cuda {

// Blocks an SM as of attention_prefill; beyond 256 elements one of eight warps.
#define HALFTONE_TILES(type, dim, blocks)                                                                   \
  DEVICE_KERNEL_BOUNDED(attention_tiles_##type##_##dim, TiledAttentionArgs, prefill_threads(dim), blocks) { \
    prefill<type, dim>(args.view, 1, NoScoreMask{}, args.ends);                                             \
  }
HALFTONE_TILES(f16, 64, 3)
HALFTONE_TILES(f16, 128, kSince90 ? 3 : 2)
HALFTONE_TILES(f16, 256, 2)
HALFTONE_TILES(f16, 512, 1)
HALFTONE_TILES(bf16, 64, 3)
HALFTONE_TILES(bf16, 128, kSince90 ? 3 : 2)
HALFTONE_TILES(bf16, 256, 2)
HALFTONE_TILES(bf16, 512, 1)

}  // namespace halftone::cuda
