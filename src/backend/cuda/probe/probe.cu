#include "backend/cuda/probe/probe_kernels.h"

namespace halftone::cuda {

DEVICE_KERNEL(read_probe, ReadProbeArgs) {
  constexpr int kAhead = 4;  // loads under way in a thread
  const int64_t stride = int64_t{grid_x()} * block_threads();
  uint32_t all = 0;
  int64_t i = int64_t{block_x()} * block_threads() + thread();
  for (; i + (kAhead - 1) * stride < args.count; i += kAhead * stride) {
    Words4 words[kAhead];
    UNROLL
    for (int k = 0; k < kAhead; ++k) words[k] = load_once(args.words + i + k * stride);
    UNROLL
    for (int k = 0; k < kAhead; ++k) all ^= words[k].x ^ words[k].y ^ words[k].z ^ words[k].w;
  }
  for (; i < args.count; i += stride) {
    const Words4 words = load_once(args.words + i);
    all ^= words.x ^ words.y ^ words.z ^ words.w;
  }
  if (all == 0x9e3779b9u) *args.sink = all;
}

DEVICE_KERNEL(f16_probe, ProductProbeArgs) {
  float sums[kProbeProducts][4] = {};
  const uint32_t word = static_cast<uint32_t>(thread()) & 3;  // subnormal halves: no sum grows beyond all bounds
  const uint32_t a[4] = {word, word + 1, word + 2, word + 3};
  const uint32_t b[2] = {word, word + 1};
  for (int round = 0; round < args.rounds; ++round) {
    UNROLL
    for (int product = 0; product < kProbeProducts; ++product) mma_f16(sums[product], a, b);
  }
  float all = 0;
  UNROLL
  for (int product = 0; product < kProbeProducts; ++product)
    all += sums[product][0] + sums[product][1] + sums[product][2] + sums[product][3];
  if (all == 1.0f) *args.sink = bits_of(all);
}

DEVICE_KERNEL(s8_probe, ProductProbeArgs) {
  int sums[kProbeProducts][4] = {};
  const uint32_t word = static_cast<uint32_t>(thread());
  const uint32_t a[4] = {word, word + 1, word + 2, word + 3};
  const uint32_t b[2] = {word, word + 1};
  for (int round = 0; round < args.rounds; ++round) {
    UNROLL
    for (int product = 0; product < kProbeProducts; ++product) mma_s8(sums[product], a, b);
  }
  int all = 0;
  UNROLL
  for (int product = 0; product < kProbeProducts; ++product)
    all ^= sums[product][0] ^ sums[product][1] ^ sums[product][2] ^ sums[product][3];
  if (all == 0x1e3779b9) *args.sink = static_cast<uint32_t>(all);
}

}  // namespace halftone::cuda
