#include "backend/cuda/gemm/many_tokens.h"

namespace halftone::cuda {

DEVICE_KERNEL_AHEAD(many_tokens_half_64, ManyTokensArgs, 256, 1) {
  many_tokens<WeightKind::half, 64>(args);
}
DEVICE_KERNEL_AHEAD(many_windows_64, ManyTokensArgs, 256, 1) {
  many_tokens<WeightKind::half, 64, true>(args);
}

}  // namespace halftone::cuda
