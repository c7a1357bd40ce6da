#include "backend/cuda/rotary_embedding/rotary_embedding_kernels.h"

namespace halftone::cuda {

DEVICE_KERNEL(rotary_embedding_kernel, RotaryArgs) {
  const int item = block_y() * block_threads() + thread();
  const int items = args.half + (args.head_dim - 2 * args.half);  // of a head
  if (item >= items * args.heads) return;
  const int head = item / items, i = item % items;
  const int64_t row = block_x();
  const int64_t at =
      args.heads_first
          ? ((row / args.length * args.heads + head) * args.length + row % args.length) * args.head_dim
          : (row * args.heads + head) * args.head_dim;
  if (i >= args.half) {
    args.y[at + i + args.half] = args.x[at + i + args.half];
    return;
  }
  int64_t line = row;
  if (args.positions)
    line = args.wide_positions ? static_cast<const int64_t*>(args.positions)[row]
                               : static_cast<const int32_t*>(args.positions)[row];
  const bool known = line >= 0 && line < args.lines;
  const float nan = float_of(0x7fc00000u);
  const float cosine = known ? args.cosine[line * args.half + i] : nan;
  const float sine = known ? args.sine[line * args.half + i] : nan;
  const int64_t first = at + (args.interleaved ? 2 * i : i);
  const int64_t second = args.interleaved ? first + 1 : first + args.half;
  const float a = args.x[first], b = args.x[second];
  args.y[first] = cosine * a - sine * b;
  args.y[second] = sine * a + cosine * b;
}

}  // namespace halftone::cuda
