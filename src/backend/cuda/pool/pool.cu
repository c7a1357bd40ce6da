#include "backend/cuda/pool/pool_kernels.h"

namespace halftone::cuda {
namespace {

/// The output of a thread.
struct PoolPlace {
  int64_t x, y;
  int first[3];
};
DEVICE PoolPlace pool_place(const PoolArgs& args, int64_t i) {
  const int64_t places = int64_t{args.out[0]} * args.out[1] * args.out[2], picture = places * args.channels;
  const int64_t n = i / picture, inside = i - n * picture;
  int64_t channel, place;
  if (args.channels_last) {
    place = inside / args.channels;
    channel = inside - place * args.channels;
  } else {
    channel = inside / places;
    place = inside - channel * places;
  }
  PoolPlace found{n * args.x_picture + channel * args.x_channel,
                  n * args.y_picture + channel * args.y_channel + place * args.y_place,
                  {}};
  UNROLL
  for (int a = 2; a >= 0; --a) {
    found.first[a] = static_cast<int>(place % args.out[a]) * args.stride[a] - args.pad[a];
    place /= args.out[a];
  }
  return found;
}

/// Calls body(element of X) for each tap inside, in order.
template <class Body>
DEVICE void each_element(const PoolArgs& args, const PoolPlace& place, Body body) {
  for (int d = 0; d < args.kernel[0]; ++d) {
    const int at_d = place.first[0] + d * args.dilation[0];
    if (at_d < 0 || at_d >= args.size[0]) continue;
    for (int h = 0; h < args.kernel[1]; ++h) {
      const int at_h = place.first[1] + h * args.dilation[1];
      if (at_h < 0 || at_h >= args.size[1]) continue;
      const int64_t row = (int64_t{at_d} * args.size[1] + at_h) * args.size[2];
      for (int w = 0; w < args.kernel[2]; ++w) {
        const int at_w = place.first[2] + w * args.dilation[2];
        if (at_w < 0 || at_w >= args.size[2]) continue;
        body(place.x + (row + at_w) * args.x_place);
      }
    }
  }
}

/// average_pool_divisor() (ops/average_pool).
DEVICE float divisor_of(const PoolArgs& args, const PoolPlace& place) {
  int64_t count = 1;
  UNROLL
  for (int a = 0; a < 3; ++a) {
    const int least = args.count_padding ? -args.pad[a] : 0;
    const int end = args.size[a] + (args.count_padding ? args.pad_end[a] : 0);
    int taps = 0;
    for (int t = 0; t < args.kernel[a]; ++t) {
      const int at = place.first[a] + t * args.dilation[a];
      taps += at >= least && at < end ? 1 : 0;
    }
    count *= taps;
  }
  return static_cast<float>(count > 1 ? count : 1);
}

template <class T, class Number>
DEVICE void max_pool(const PoolArgs& args, Number lowest) {
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  if (i >= args.count) return;
  const PoolPlace place = pool_place(args, i);
  const T* x = static_cast<const T*>(args.x);
  Number best = lowest;
  bool any = false;
  each_element(args, place, [&](int64_t at) {
    const Number value = widened(x[at]);
    if (!any || value > best) best = value;
    any = true;
  });
  static_cast<T*>(args.y)[place.y] = narrowed<T>(best);
}

/// What join makes of a channel's places, take(x) of each, from `none` on. Every thread of the block comes
/// here; the result is in the threads of warp 0 (channels-last: of lane c, that of channel 32 block_x + c),
/// or in all (planar).
template <class T, class Sum, class Take, class Join>
DEVICE Sum channel_fold(const PoolArgs& args, Sum none, Take take, Join join) {
  const Shared<Sum> parts = shared_memory<Sum>(0);
  const T* x = static_cast<const T*>(args.x) + block_y() * args.x_picture;
  const int64_t places = int64_t{args.size[0]} * args.size[1] * args.size[2];
  Sum sum = none;
  if (args.channels_last) {
    const int channel = block_x() * kWarp + lane();
    if (channel < args.channels)
      for (int64_t p = warp(); p < places; p += block_warps())
        sum = join(sum, take(x[channel * args.x_channel + p * args.x_place]));
    parts[thread()] = sum;
    sync_block();
    if (warp() == 0)
      for (int w = 1; w < block_warps(); ++w) sum = join(sum, static_cast<Sum>(parts[w * kWarp + lane()]));
    return sum;
  }
  const auto over_warp = [&](Sum value) {
    UNROLL
    for (int mask = kWarp / 2; mask > 0; mask /= 2) value = join(value, shuffle_xor(value, mask));
    return value;
  };
  for (int64_t p = thread(); p < places; p += block_threads())
    sum = join(sum, take(x[block_x() * args.x_channel + p * args.x_place]));
  sum = over_warp(sum);
  if (lane() == 0) parts[warp()] = sum;
  sync_block();
  return over_warp(lane() < block_warps() ? static_cast<Sum>(parts[lane()]) : none);
}

/// The sum, of T less `zero`.
template <class Sum, class T>
DEVICE Sum channel_sum(const PoolArgs& args, Sum zero) {
  return channel_fold<T>(
      args, Sum{0}, [=](T x) { return static_cast<Sum>(widened(x)) - zero; },
      [](Sum a, Sum b) { return a + b; });
}

/// The channel whose sum this thread stores, or -1.
DEVICE int channel_of_thread(const PoolArgs& args) {
  if (!args.channels_last) return thread() == 0 ? block_x() : -1;
  const int channel = block_x() * kWarp + lane();
  return warp() == 0 && channel < args.channels ? channel : -1;
}

template <class T>
DEVICE void average_pool(const PoolArgs& args) {
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  if (i >= args.count) return;
  const PoolPlace place = pool_place(args, i);
  float sum = 0;
  each_element(args, place, [&](int64_t at) { sum += to_f32(static_cast<const T*>(args.x)[at]); });
  static_cast<T*>(args.y)[place.y] = from_f32<T>(sum / divisor_of(args, place));
}

template <class T>
DEVICE void global_average(const PoolArgs& args) {
  const float sum = channel_sum<float, T>(args, 0);
  const int channel = channel_of_thread(args);
  if (channel < 0) return;
  const auto places = static_cast<float>(int64_t{args.size[0]} * args.size[1] * args.size[2]);
  static_cast<T*>(args.y)[block_y() * args.y_picture + channel * args.y_channel] = from_f32<T>(sum / places);
}

template <class T>
DEVICE void global_max(const PoolArgs& args) {
  const float top = channel_fold<T>(
      args, -kInfinity, [](T x) { return to_f32(x); }, [](float a, float b) { return b > a ? b : a; });
  const int channel = channel_of_thread(args);
  if (channel < 0) return;
  static_cast<T*>(args.y)[block_y() * args.y_picture + channel * args.y_channel] = from_f32<T>(top);
}

}  // namespace

DEVICE_KERNEL(max_pool_f32, PoolArgs) {
  max_pool<float>(args, -kInfinity);
}
DEVICE_KERNEL(max_pool_f16, PoolArgs) {
  max_pool<f16>(args, -kInfinity);
}
DEVICE_KERNEL(max_pool_bf16, PoolArgs) {
  max_pool<bf16>(args, -kInfinity);
}
DEVICE_KERNEL(max_pool_u8, PoolArgs) {
  max_pool<uint8_t>(args, uint8_t{0});
}

DEVICE_KERNEL(average_pool_f32, PoolArgs) {
  average_pool<float>(args);
}
DEVICE_KERNEL(average_pool_f16, PoolArgs) {
  average_pool<f16>(args);
}
DEVICE_KERNEL(average_pool_bf16, PoolArgs) {
  average_pool<bf16>(args);
}

DEVICE_KERNEL(average_pool_u8, PoolArgs) {
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  if (i >= args.count) return;
  const PoolPlace place = pool_place(args, i);
  int sum = 0;
  each_element(args, place,
               [&](int64_t at) { sum += int{static_cast<const uint8_t*>(args.x)[at]} - args.codes.zero; });
  static_cast<uint8_t*>(args.y)[place.y] = requantize(args.requantizer, sum, 0);
}

DEVICE_KERNEL(global_average_f32, PoolArgs) {
  global_average<float>(args);
}
DEVICE_KERNEL(global_average_f16, PoolArgs) {
  global_average<f16>(args);
}
DEVICE_KERNEL(global_average_bf16, PoolArgs) {
  global_average<bf16>(args);
}

DEVICE_KERNEL(global_max_f32, PoolArgs) {
  global_max<float>(args);
}
DEVICE_KERNEL(global_max_f16, PoolArgs) {
  global_max<f16>(args);
}
DEVICE_KERNEL(global_max_bf16, PoolArgs) {
  global_max<bf16>(args);
}

DEVICE_KERNEL(global_max_u8, PoolArgs) {
  const int top = channel_fold<uint8_t>(
      args, 0, [](uint8_t x) { return int{x}; }, [](int a, int b) { return b > a ? b : a; });
  const int channel = channel_of_thread(args);
  if (channel < 0) return;
  static_cast<uint8_t*>(args.y)[block_y() * args.y_picture + channel * args.y_channel] =
      static_cast<uint8_t>(top);
}

DEVICE_KERNEL(global_average_u8, PoolArgs) {
  const int sum = channel_sum<int, uint8_t>(args, args.codes.zero);
  const int channel = channel_of_thread(args);
  if (channel < 0) return;
  static_cast<uint8_t*>(args.y)[block_y() * args.y_picture + channel * args.y_channel] =
      requantize(args.requantizer, sum, 0);
}

}  // namespace halftone::cuda
