#include "backend/cuda/gemm/many_tokens.h"

namespace halftone::cuda {

DEVICE_KERNEL_AHEAD(many_tokens_int8_64, ManyTokensArgs, 256, 1) {
  many_tokens<WeightKind::int8, 64>(args);
}

}  // namespace halftone::cuda
