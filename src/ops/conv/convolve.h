#pragma once

#include "ops/conv/conv.h"

namespace halftone {

/// The plain convolution: calls sink(at, channel, sum) for each element of an output of shape `y`, with the
/// sum of products as a Sum (an unsigned type wraps around). x and w lie as Conv's X and W do.
template <class Sum, class T, class Sink>
void convolve(const ConvExtent& extent, std::span<const T> x, const Shape& x_shape, std::span<const T> w,
              const Shape& y, Sink sink) {
  const Shape from = spatial_shape(x_shape), to = spatial_shape(y);
  const int64_t plane = from.elements(), places = to.elements(), kernel = extent.window.taps();
  const int64_t channels = extent.groups * extent.group_outputs;
  struct Tap {
    int64_t offset, tap;
  };
  std::vector<Tap> taps;
  for (int64_t n = 0; n < y[0]; ++n)
    for (int64_t place = 0; place < places; ++place) {
      taps.clear();
      visit_taps(extent.window, from, spatial_index(to, place), [&](int64_t offset, int64_t tap) {
        taps.push_back({offset, tap});
      });
      for (int64_t m = 0; m < channels; ++m) {
        const int64_t first =
            n * extent.groups * extent.group_inputs + m / extent.group_outputs * extent.group_inputs;
        Sum sum = 0;
        for (int64_t c = 0; c < extent.group_inputs; ++c)
          for (const Tap& t : taps)
            sum += static_cast<Sum>(x[static_cast<size_t>((first + c) * plane + t.offset)]) *
                   static_cast<Sum>(w[static_cast<size_t>((m * extent.group_inputs + c) * kernel + t.tap)]);
        sink((n * channels + m) * places + place, m, sum);
      }
    }
}

}  // namespace halftone
