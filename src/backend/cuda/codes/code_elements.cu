#include "backend/cuda/codes/code_elements_kernels.h"

namespace halftone::cuda {
namespace {

template <class F>
DEVICE void each_code(const CodeElementsArgs& args, F f) {
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  if (!args.words) {
    if (i < args.count)
      args.y[i] = f(args.a[i % args.a_count], args.b ? args.b[i % args.b_count] : uint8_t{0});
    return;
  }
  if (4 * i >= args.count) return;
  const auto a = load_wide<uint32_t>(args.a + 4 * i);
  const uint32_t b = args.b ? load_wide<uint32_t>(args.b + 4 * i) : 0;
  uint32_t y = 0;
  UNROLL
  for (int c = 0; c < 4; ++c)
    y |= uint32_t{f(static_cast<uint8_t>(a >> (8 * c)), static_cast<uint8_t>(b >> (8 * c)))} << (8 * c);
  store_wide(args.y + 4 * i, y);
}

}  // namespace

DEVICE_KERNEL(map_codes_kernel, CodeMapArgs) {
  each_code(args.codes, [&](uint8_t a, uint8_t) { return args.table[a]; });
}

DEVICE_KERNEL(add_codes_kernel, CodeSumArgs) {
  each_code(args.codes, [&](uint8_t a, uint8_t b) {
    const int sum = (int{a} * args.a_factor + int{b} * args.b_factor + args.offset) >> args.shift;
    return static_cast<uint8_t>(sum < 0 ? 0 : sum > 255 ? 255 : sum);
  });
}

DEVICE_KERNEL(mul_codes_kernel, CodeProductArgs) {
  each_code(args.codes, [&](uint8_t a, uint8_t b) {
    return requantize(args.requantizer, (int{a} - args.a_zero) * (int{b} - args.b_zero), 0);
  });
}

}  // namespace halftone::cuda
