#include "backend/cuda/device/functions.h"
#include "backend/cuda/grid_sample/grid_sample_kernels.h"

namespace halftone::cuda {
namespace {

/// x mirrored at the two edges until it lies between them.
DEVICE float reflect(float x, float low, float high) {
  const float range = high - low;
  if (range <= 0) return low;
  const float beyond = x < low ? low - x : x - high;
  if (!(beyond > 0)) return x;
  const float times = floor_of(beyond / range), rest = beyond - product(times, range);
  const bool from_low = (x < low) == (remainder_of(times, 2) == 0);
  return from_low ? low + rest : high - rest;
}

DEVICE float clamped(float x, float high) {
  return x < 0 ? 0 : x > high ? high : x;
}

/// What one coordinate reads of an axis: up to four elements, -1 where there is none.
struct AxisTaps {
  int at[4];
  float weight[4];
};

DEVICE AxisTaps taps_at(const GridSampleArgs& args, float normal, int size) {
  AxisTaps taps{{-1, -1, -1, -1}, {0, 0, 0, 0}};
  const auto length = static_cast<float>(size);
  const float low = args.align_corners ? 0 : -0.5f, high = args.align_corners ? length - 1 : length - 0.5f;
  float x =
      args.align_corners ? product((normal + 1) / 2, length - 1) : (product(normal + 1, length) - 1) / 2;
  if (x != x) return taps;
  if (args.mode == SampleMode::nearest) x = nearest_integer(x);
  if (x < low || x > high) {
    if (args.padding == SamplePadding::border) x = clamped(x, length - 1);
    if (args.padding == SamplePadding::reflection) x = reflect(x, low, high);
  }
  if (absolute(x) > 0x1p30f) return taps;  // far outside: only zeros are there
  const float floor = floor_of(x), t = x - floor;
  const auto add = [&](int i, float place, float weight) {
    if (args.padding == SamplePadding::border) place = clamped(place, length - 1);
    if (args.padding == SamplePadding::reflection) {
      place = reflect(place, low, high);
      place = place < 0 ? -floor_of(-place) : floor_of(place);
    }
    if (!(place >= 0 && place < length)) return;
    taps.at[i] = static_cast<int>(place);
    taps.weight[i] = weight;
  };
  if (args.mode == SampleMode::nearest) {
    add(0, x, 1);
  } else if (args.mode == SampleMode::linear) {
    add(0, floor, 1 - t);
    add(1, floor + 1, t);
  } else {
    constexpr float a = -0.75f;  // Keys' free coefficient, as ONNX fixes it
    const auto outer = [](float d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
    const auto inner = [](float d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
    add(0, floor - 1, outer(1 + t));
    add(1, floor, inner(t));
    add(2, floor + 1, inner(1 - t));
    add(3, floor + 2, outer(2 - t));
  }
  return taps;
}

}  // namespace

DEVICE_KERNEL(grid_sample_kernel, GridSampleArgs) {
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  if (i >= args.count) return;
  const int64_t picture = i / args.places, place = i - picture * args.places, n = picture / args.channels;
  const int64_t at = (n * args.places + place) * 2;
  const AxisTaps across = taps_at(args, args.grid[at], args.width),
                 down = taps_at(args, args.grid[at + 1], args.height);
  const int64_t first = picture * args.height * args.width;
  float sum = 0;
  UNROLL
  for (int v = 0; v < 4; ++v) {
    if (down.at[v] < 0) continue;
    float row = 0;
    UNROLL
    for (int h = 0; h < 4; ++h)
      if (across.at[h] >= 0)
        row += across.weight[h] * args.x[first + int64_t{down.at[v]} * args.width + across.at[h]];
    sum += down.weight[v] * row;
  }
  args.y.set(i, sum);
}

}  // namespace halftone::cuda
