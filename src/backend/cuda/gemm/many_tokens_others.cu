#include "backend/cuda/gemm/many_tokens.h"

namespace halftone::cuda {

DEVICE_KERNEL_BOUNDED(many_tokens_split_64, ManyTokensArgs, 128, 2) {
  many_tokens<WeightKind::split, 8>(args);
}
DEVICE_KERNEL_BOUNDED(many_tokens_int2_64, ManyTokensArgs, 128, 3) {
  many_tokens<WeightKind::int2, 8>(args);
}
DEVICE_KERNEL_BOUNDED(many_tokens_table4_64, ManyTokensArgs, 128, 3) {
  many_tokens<WeightKind::table4, 8>(args);
}
DEVICE_KERNEL_BOUNDED(many_tokens_e4m3_64, ManyTokensArgs, 128, 3) {
  many_tokens<WeightKind::e4m3, 8>(args);
}
DEVICE_KERNEL_BOUNDED(many_tokens_e5m2_64, ManyTokensArgs, 128, 3) {
  many_tokens<WeightKind::e5m2, 8>(args);
}

}  // namespace halftone::cuda
