#include "backend/cuda/gemm/wide_tokens.h"

namespace halftone::cuda {

DEVICE_KERNEL_AHEAD(wide_tokens_int4_64, ManyTokensArgs, kWideThreads, 1) {
  wide_tokens<WeightKind::int4, 64>(args);
}
DEVICE_KERNEL_AHEAD(wide_tokens_int4_128, ManyTokensArgs, kWideThreads, 1) {
  wide_tokens<WeightKind::int4, 128>(args);
}
DEVICE_KERNEL_AHEAD(wide_tokens_int8_64, ManyTokensArgs, kWideThreads, 1) {
  wide_tokens<WeightKind::int8, 64>(args);
}
DEVICE_KERNEL_AHEAD(wide_tokens_int8_128, ManyTokensArgs, kWideThreads, 1) {
  wide_tokens<WeightKind::int8, 128>(args);
}
DEVICE_KERNEL_AHEAD(wide_tokens_half_64, ManyTokensArgs, kWideThreads, 1) {
  wide_tokens<WeightKind::half, 64>(args);
}
DEVICE_KERNEL_AHEAD(wide_tokens_half_128, ManyTokensArgs, kWideThreads, 1) {
  wide_tokens<WeightKind::half, 128>(args);
}
DEVICE_KERNEL_AHEAD(wide_windows_64, ManyTokensArgs, kWideThreads, 1) {
  wide_tokens<WeightKind::half, 64, true>(args);
}
DEVICE_KERNEL_AHEAD(wide_windows_128, ManyTokensArgs, kWideThreads, 1) {
  wide_tokens<WeightKind::half, 128, true>(args);
}

}  // namespace halftone::cuda
