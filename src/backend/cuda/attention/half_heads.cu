#include "backend/cuda/attention/half_heads_kernels.h"

namespace halftone::cuda {

DEVICE_KERNEL(half_heads_kernel, HalfHeadsArgs) {
  const int64_t position = block_x(), place = args.first + position;
  const int head = block_y(), sequence = block_z();
  const float* from = args.from + sequence * args.at.sequence + position * args.at.row + head * args.at.head;
  f16* to = args.to + ((int64_t{sequence} * args.heads + head) * args.length + place) * args.padded;
  const bool seen = !args.valid || place < args.valid[sequence];
  for (int d = thread(); d < args.padded; d += block_threads())
    to[d] = from_f32<f16>(seen && d < args.dim ? from[d] : 0.0f);
}

}  // namespace halftone::cuda
