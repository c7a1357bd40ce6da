#include "backend/cpu/conv/halved_pictures.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/window/planes.h"
#include "base/checked.h"

namespace halftone::cpu {
namespace {

constexpr int64_t kTaps = 3;    ///< of the window over halved pictures
constexpr int64_t kGrain = 16;  ///< lines made by a thread at a time

bool halves_axis(const WindowAxis& axis) {
  return axis.stride == 2 && axis.dilation == 1 && (axis.kernel == 5 || axis.kernel == 6);
}

/// Of one line of the picture, which may be outside, 2 `channels` codes for each of `count` places.
void split_line(const uint8_t* line, const Planes& p, int64_t channels, int64_t count, uint8_t padding,
                uint8_t* to) {
  constexpr int64_t kCopied = 8;  // bytes: 2 channels at most, and what comes next
  const int64_t size = p.columns * channels, first = -p.x.pad_begin * channels, step = 2 * channels;
  // Places [begin, end) are copied.
  const int64_t begin = std::min(ceil_div(p.x.pad_begin, int64_t{2}), count);
  const int64_t room = size - kCopied - first;
  const int64_t end = line && room >= 0 ? std::clamp(room / step + 1, begin, count) : begin;
  const auto one_by_one = [&](int64_t from, int64_t until) {
    for (int64_t x = from; x < until; ++x)
      for (int64_t i = 0; i < step; ++i) {
        const int64_t at = first + x * step + i;
        to[x * kHalvedPlace + i] = line && at >= 0 && at < size ? line[at] : padding;
      }
  };
  one_by_one(0, begin);
  for (int64_t x = begin; x < end; ++x) std::memcpy(to + x * kHalvedPlace, line + first + x * step, kCopied);
  one_by_one(end, count);
}

}  // namespace

bool halves_pictures(const ConvExtent& extent) {
  return extent.window.rank == 2 && extent.groups == 1 && 4 * extent.group_inputs <= kHalvedPlace &&
         halves_axis(extent.window[0]) && halves_axis(extent.window[1]);
}

Int8ConvLayer halved_layer(Int8ConvLayer layer) {
  const WindowAxis &y = layer.extent.window[0], &x = layer.extent.window[1];
  const int64_t channels = layer.extent.group_inputs, columns = 4 * channels * kTaps * kTaps;
  std::vector<int8_t> codes(static_cast<size_t>(layer.weights.outputs * columns));
  for (int64_t output = 0; output < layer.weights.outputs; ++output)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t row = 0; row < y.kernel; ++row)
        for (int64_t column = 0; column < x.kernel; ++column) {
          const int64_t channel = (row % 2 * 2 + column % 2) * channels + c;
          const int64_t tap = row / 2 * kTaps + column / 2;
          codes[static_cast<size_t>(output * columns + channel * kTaps * kTaps + tap)] =
              layer.weights
                  .codes[static_cast<size_t>(((output * channels + c) * y.kernel + row) * x.kernel + column)];
        }
  layer.weights.codes = std::move(codes);
  layer.weights.columns = columns;
  layer.extent.group_inputs = 4 * channels;
  for (size_t axis = 0; axis < 2; ++axis) layer.extent.window.axes[axis] = {kTaps, 1, 1, 0, 0};
  return layer;
}

size_t halved_bytes(const OpSite& site) {
  const Shape& y = site.outputs[0].shape;
  return static_cast<size_t>(y[0] * (y[2] + kTaps - 1) * (y[3] + kTaps - 1) * kHalvedPlace);
}

void halve_pictures(const KernelRun& run, uint8_t padding, uint8_t* to) {
  const Planes p = make_planes(conv_extent(run.site).window, run.site.input_shape(0), run.outputs[0].shape);
  const int64_t channels = run.site.input_shape(0)[1];
  const int64_t rows = p.out_rows + kTaps - 1, columns = p.out_columns + kTaps - 1;
  const uint8_t* x = run.inputs[0].span<uint8_t>().data();
  run.threads.parallel_for(p.batch * rows, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      for (int64_t half = 0; half < 2; ++half) {  // the second over what the first copied too much
        const int64_t iy = row % rows * 2 + half - p.y.pad_begin;
        const bool inside = iy >= 0 && iy < p.rows;
        const uint8_t* line = inside ? x + (row / rows * p.rows + iy) * p.columns * channels : nullptr;
        split_line(line, p, channels, columns, padding,
                   to + row * columns * kHalvedPlace + half * 2 * channels);
      }
  });
}

}  // namespace halftone::cpu
