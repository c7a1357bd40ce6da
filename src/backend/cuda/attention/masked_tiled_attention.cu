#include "backend/cuda/attention/tiled_attention_kernels.h"
#include "backend/cuda/paged_attention/prefill.h"

namespace halftone::cuda {

#define HALFTONE_MASKED_TILES(type, dim, blocks)                                         \
  DEVICE_KERNEL_BOUNDED(attention_masked_tiles_##type##_##dim, MaskedTiledAttentionArgs, \
                        prefill_threads(dim), blocks) {                                  \
    prefill<type, dim>(args.view, 1, args.mask, args.ends);                              \
  }
HALFTONE_MASKED_TILES(f16, 64, 3)
HALFTONE_MASKED_TILES(f16, 128, 2)
HALFTONE_MASKED_TILES(f16, 256, 2)
HALFTONE_MASKED_TILES(f16, 512, 1)
HALFTONE_MASKED_TILES(bf16, 64, 3)
HALFTONE_MASKED_TILES(bf16, 128, 2)
HALFTONE_MASKED_TILES(bf16, 256, 2)
HALFTONE_MASKED_TILES(bf16, 512, 1)

}  // namespace halftone::cuda
