#include "backend/cuda/resize/resize_kernels.h"

namespace halftone::cuda {

namespace {

DEVICE void store(const FloatsOut& y, int64_t i, float value) {
  y.set(i, value);
}
DEVICE void store(uint8_t* y, int64_t i, uint8_t value) {
  y[i] = value;
}

/// Products of weights and their sums are `Sum`s; finish(sum, whether nothing lies there) is what is stored.
template <class Sum, class Args, class Finish>
DEVICE void resize(const Args& args, Sum first, Finish finish) {
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  if (i >= args.count) return;
  const int64_t places = int64_t{args.out_height} * args.out_width, picture = places * args.channels;
  const int64_t n = i / picture, inside = i - n * picture;
  int64_t channel, place;
  if (args.channels_last) {
    place = inside / args.channels;
    channel = inside - place * args.channels;
  } else {
    channel = inside / places;
    place = inside - channel * places;
  }
  const int row = static_cast<int>(place / args.out_width);
  const ResizeSpan vertical = args.rows[row];
  const ResizeSpan horizontal = args.columns[place - int64_t{row} * args.out_width];
  const int64_t x = n * args.x_picture + channel * args.x_channel;
  Sum sum = first;
  for (int v = vertical.begin; v < vertical.end; ++v) {
    const auto down = args.row_taps[v];
    for (int h = horizontal.begin; h < horizontal.end; ++h) {
      const auto across = args.column_taps[h];
      sum += static_cast<Sum>(down.weight * across.weight) *
             static_cast<Sum>(args.x[x + (int64_t{down.from} * args.width + across.from) * args.x_place]);
    }
  }
  const bool outside = vertical.begin == vertical.end || horizontal.begin == horizontal.end;
  store(args.y, n * args.y_picture + channel * args.y_channel + place * args.y_place, finish(sum, outside));
}

}  // namespace

DEVICE_KERNEL(resize_floats, FloatResizeArgs) {
  resize<float>(args, 0,
                [&](float sum, bool outside) { return outside ? static_cast<float>(args.outside) : sum; });
}

DEVICE_KERNEL(resize_u8, CodeResizeArgs) {
  resize<int>(args, 1 << (2 * kCodeWeightBits - 1), [&](int sum, bool) {
    const int code = sum >> (2 * kCodeWeightBits);
    return static_cast<uint8_t>(code < 0 ? 0 : code > 255 ? 255 : code);
  });
}

}  // namespace halftone::cuda
