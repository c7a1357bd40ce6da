#include "backend/cuda/arithmetic/arithmetic_kernels.h"

namespace halftone::cuda {

DEVICE float combine(Arithmetic op, float a, float b) {
  switch (op) {
    case Arithmetic::add:
      return a + b;
    case Arithmetic::sub:
      return a - b;
    case Arithmetic::mul:
      return a * b;
    default:
      return a / b;
  }
}

DEVICE Vec4 load_four(const float* at, int64_t step, int64_t i) {
  if (step) return load_wide<Vec4>(at + 4 * i);
  return {at[0], at[0], at[0], at[0]};
}

DEVICE_KERNEL(arithmetic_kernel, ArithmeticArgs) {
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  if (args.wide) {
    if (4 * i >= args.count) return;
    const Vec4 a = load_four(args.a, args.a_steps[0], i), b = load_four(args.b, args.b_steps[0], i);
    store_wide(args.y + 4 * i, Vec4{combine(args.op, a.x, b.x), combine(args.op, a.y, b.y),
                                    combine(args.op, a.z, b.z), combine(args.op, a.w, b.w)});
    return;
  }
  if (i >= args.count) return;
  int64_t rest = i, a = 0, b = 0;
  UNROLL
  for (int d = kArithmeticDims - 1; d >= 0; --d) {
    if (d >= args.dims) continue;
    const int64_t at = d == 0 ? rest : rest % args.extents[d];
    if (d > 0) rest /= args.extents[d];
    a += at * args.a_steps[d];
    b += at * args.b_steps[d];
  }
  args.y[i] = combine(args.op, args.a[a], args.b[b]);
}

}  // namespace halftone::cuda
