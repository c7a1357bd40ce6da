#include "backend/cuda/conv/half_picture_kernels.h"
#include "backend/cuda/device/device.h"
#include "backend/cuda/gemm/half_rows_kernels.h"

namespace halftone::cuda {

DEVICE_KERNEL(half_picture, HalfPictureArgs) {
  if (block_x() == 0)
    for (int i = thread(); i < args.zero_count; i += block_threads()) args.zeros[i] = 0;
  const int64_t at = (int64_t{block_x()} * block_threads() + thread()) * 8;
  if (at >= args.elements) return;
  float x[8];
  if (args.wide) {
    const Vec4 low = args.x.four(at), high = args.x.four(at + 4);
    const float both[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
    UNROLL
    for (int i = 0; i < 8; ++i) x[i] = both[i];
  } else {
    UNROLL
    for (int i = 0; i < 8; ++i) x[i] = args.x[at + i];
  }
  const uint32_t pairs[4] = {f16x2_of(x[0], x[1]), f16x2_of(x[2], x[3]), f16x2_of(x[4], x[5]),
                             f16x2_of(x[6], x[7])};
  if (!args.as_fragments) {
    store_wide(args.halves + at, Words4{pairs[0], pairs[1], pairs[2], pairs[3]});
    return;
  }
  const int64_t block = at / kBlockColumns * kBlockColumns;
  UNROLL
  for (int i = 0; i < 4; ++i)
    store_wide(args.halves + (block + fragment_place(static_cast<int>(at - block) + 2 * i)), pairs[i]);
}

}  // namespace halftone::cuda
