#include "backend/cuda/arg_max/arg_max_kernels.h"

namespace halftone::cuda {

struct Place {
  float value;
  int64_t at;  ///< -1: none
};

DEVICE bool beats(const Place& a, const Place& b, bool last) {
  if (b.at < 0 || a.at < 0) return b.at < 0;
  const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
  if (a_nan != b_nan) return a_nan;
  if (!a_nan && a.value != b.value) return a.value > b.value;
  return last ? a.at > b.at : a.at < b.at;
}

DEVICE Place warp_best(Place best, bool last) {
  UNROLL
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const Place other = {shuffle_xor(best.value, mask), shuffle_xor(best.at, mask)};
    if (beats(other, best, last)) best = other;
  }
  return best;
}

DEVICE_KERNEL(arg_max_kernel, ArgMaxArgs) {
  const int64_t row = block_x(), parts = grid_y(), each = (args.width + parts - 1) / parts;
  const int64_t begin = block_y() * each, end = begin + each < args.width ? begin + each : args.width;
  const float* x = args.x + row * args.width;
  Place best{0, -1};
  for (int64_t i = begin + thread(); i < end; i += block_threads()) {
    const Place next{x[i], args.of ? args.of[row * args.width + i] : i};
    if (next.at >= 0 && beats(next, best, args.last)) best = next;
  }
  best = warp_best(best, args.last);
  const Shared<int64_t> places = shared_memory<int64_t>(0);
  const Shared<float> values = shared_memory<float>(kWarp * sizeof(int64_t));
  if (lane() == 0) {
    places[warp()] = best.at;
    values[warp()] = best.value;
  }
  sync_block();
  if (warp() > 0) return;
  best = {0, -1};
  if (lane() < block_warps()) best = {values[lane()], places[lane()]};
  best = warp_best(best, args.last);
  if (lane() > 0) return;
  args.places[row * parts + block_y()] = best.at;
  if (args.values) args.values[row * parts + block_y()] = best.value;
}

}  // namespace halftone::cuda
