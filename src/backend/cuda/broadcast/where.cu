#include "backend/cuda/broadcast/where_kernels.h"

namespace halftone::cuda {
namespace {

template <class T>
DEVICE void choose(const WhereArgs& args) {
  const uint32_t i = static_cast<uint32_t>(block_x()) * static_cast<uint32_t>(block_threads()) +
                     static_cast<uint32_t>(thread());
  if (i >= args.at.count) return;
  int64_t from[3];
  locate(args.at, i, from);
  const auto *a = static_cast<const T*>(args.a) + from[1], *b = static_cast<const T*>(args.b) + from[2];
  auto* y = static_cast<T*>(args.y);
  if (!args.at.wide) {
    y[i] = args.condition[from[0]] ? *a : *b;
    return;
  }
  const int last = args.at.dims - 1;
  const Four<uint8_t> condition = load_four(args.condition + from[0], args.at.steps[0][last] == 0);
  const Four<T> as = load_four(a, args.at.steps[1][last] == 0),
                bs = load_four(b, args.at.steps[2][last] == 0);
  Four<T> ys;
  UNROLL
  for (int k = 0; k < 4; ++k) ys.of[k] = condition.of[k] ? as.of[k] : bs.of[k];
  store_wide(y + 4 * int64_t{i}, ys);
}

}  // namespace

DEVICE_KERNEL(where_kernel, WhereArgs) {
  switch (args.bytes) {
    case 8:
      return choose<uint64_t>(args);
    case 4:
      return choose<uint32_t>(args);
    case 2:
      return choose<uint16_t>(args);
    default:
      return choose<uint8_t>(args);
  }
}

}  // namespace halftone::cuda
