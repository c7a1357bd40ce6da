#include "backend/cuda/gemm/many_tokens.h"

namespace halftone::cuda {

DEVICE_KERNEL_AHEAD(many_tokens_split_64, ManyTokensArgs, 128, 2) {
  many_tokens<WeightKind::split, 64>(args);
}
DEVICE_KERNEL_AHEAD(many_tokens_int2_16, ManyTokensArgs, 256, 2) {
  many_tokens<WeightKind::int2, 16>(args);
}
DEVICE_KERNEL_AHEAD(many_tokens_int2_64, ManyTokensArgs, 256, 1) {
  many_tokens<WeightKind::int2, 64>(args);
}
DEVICE_KERNEL_AHEAD(many_tokens_table4_16, ManyTokensArgs, 256, 2) {
  many_tokens<WeightKind::table4, 16>(args);
}
DEVICE_KERNEL_AHEAD(many_tokens_table4_64, ManyTokensArgs, 256, 1) {
  many_tokens<WeightKind::table4, 64>(args);
}
DEVICE_KERNEL_AHEAD(many_tokens_e4m3_64, ManyTokensArgs, 256, 1) {
  many_tokens<WeightKind::e4m3, 64>(args);
}
DEVICE_KERNEL_AHEAD(many_tokens_e5m2_64, ManyTokensArgs, 256, 1) {
  many_tokens<WeightKind::e5m2, 64>(args);
}

}  // namespace halftone::cuda
