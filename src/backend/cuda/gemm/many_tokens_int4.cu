#include "backend/cuda/gemm/many_tokens.h"

namespace halftone::cuda {

DEVICE_KERNEL_BOUNDED(many_tokens_int4_16, ManyTokensArgs, 128, 4) {
  many_tokens<WeightKind::int4, 2>(args);
}
DEVICE_KERNEL_BOUNDED(many_tokens_int4_64, ManyTokensArgs, 128, 3) {
  many_tokens<WeightKind::int4, 8>(args);
}

}  // namespace halftone::cuda
