#include "backend/cuda/gemm/half_rows.h"

#include <algorithm>

#include "backend/cuda/elementwise.h"
#include "base/checked.h"

namespace halftone::cuda {

void launch_half_rows(Device& device, HalfRowsArgs args, int m) {
  const WeightsView& w = args.weights;
  const int threads =
      std::clamp(round_up(ceil_div(w.packed_k, kHalfRowsColumns), kWarp), 4 * kWarp, 32 * kWarp);
  args.wide = w.group == w.taken && w.k % kHalfRowsColumns == 0 && all_aligned_16(args.a.data) &&
              w.packed_k <= threads * kHalfRowsColumns * kHalfRowsPasses;
  device.launch(half_rows, {{m}, threads, kHalfRowsShared}, args);
}

}  // namespace halftone::cuda
