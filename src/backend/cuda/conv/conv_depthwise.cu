#include "backend/cuda/conv/conv_end.h"

namespace halftone::cuda {
namespace {

/// Calls body(element of X, tap) for each tap inside the picture.
template <class Body>
DEVICE void each_tap(const ConvGeometry& at, const ConvPlace& place, Body body) {
  for (int tap = 0, row = 0, column = 0; tap < at.taps; ++tap) {
    const int h = place.h + row * at.dilation_h, w = place.w + column * at.dilation_w;
    if (h >= 0 && h < at.height && w >= 0 && w < at.width)
      body(place.picture + int64_t{h} * at.x_row + int64_t{w} * at.x_column, tap);
    if (++column == at.kernel_width) {
      column = 0;
      ++row;
    }
  }
}

template <int kVector>
struct FloatVector {
  float v[kVector];
};
template <int kVector, class T>
DEVICE FloatVector<kVector> load_floats_of(const T* at) {
  if constexpr (kVector == 4) {
    const Vec4 v = load_four_floats(at);
    return {{v.x, v.y, v.z, v.w}};
  } else if constexpr (kVector == 2) {
    const Vec2 v = load_wide<Vec2>(at);
    return {{v.x, v.y}};
  } else {
    return {{to_f32(*at)}};
  }
}

template <class T, int kVector>
DEVICE void depthwise(const FloatDepthwiseArgs& args) {
  const int pieces = args.channels / kVector;
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  const int64_t place_index = i / pieces;
  if (place_index >= args.at.places) return;
  const int channel = static_cast<int>(i - place_index * pieces) * kVector;
  const ConvPlace place = conv_place(args.at, static_cast<int>(place_index));
  float sums[kVector] = {};
  each_tap(args.at, place, [&](int64_t at, int tap) {
    const FloatVector<kVector> x = load_floats_of<kVector>(static_cast<const T*>(args.x) + at + channel);
    const FloatVector<kVector> w =
        load_floats_of<kVector>(args.weights + int64_t{tap} * args.channels + channel);
    UNROLL
    for (int c = 0; c < kVector; ++c) sums[c] = multiply_add(x.v[c], w.v[c], sums[c]);
  });
  UNROLL
  for (int c = 0; c < kVector; ++c) finish(args.end, sums[c], place.y + channel + c, channel + c);
}

template <int kVector>
DEVICE void depthwise_codes(const CodeDepthwiseArgs& args) {
  const int pieces = args.channels / kVector;
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  const int64_t place_index = i / pieces;
  if (place_index >= args.at.places) return;
  const int channel = static_cast<int>(i - place_index * pieces) * kVector;
  const ConvPlace place = conv_place(args.at, static_cast<int>(place_index));
  int sums[kVector] = {};
  each_tap(args.at, place, [&](int64_t at, int tap) {
    const uint8_t* x = args.x + at + channel;
    const int8_t* w = args.weights + int64_t{tap} * args.channels + channel;
    if constexpr (kVector == 4) {
      const auto xs = load_wide<uint32_t>(x), ws = load_wide<uint32_t>(w);
      UNROLL
      for (int c = 0; c < 4; ++c)
        sums[c] += (static_cast<int>((xs >> (8 * c)) & 0xff) - args.zero) *
                   static_cast<int>(static_cast<int8_t>(ws >> (8 * c)));
    } else {
      sums[0] += (int{*x} - args.zero) * int{*w};
    }
  });
  UNROLL
  for (int c = 0; c < kVector; ++c) finish(args.end, sums[c], place.y + channel + c, channel + c);
}

}  // namespace

DEVICE_KERNEL(conv_depthwise_v4, FloatDepthwiseArgs) {
  depthwise<float, 4>(args);
}
DEVICE_KERNEL(conv_depthwise_v2, FloatDepthwiseArgs) {
  depthwise<float, 2>(args);
}
DEVICE_KERNEL(conv_depthwise_v1, FloatDepthwiseArgs) {
  depthwise<float, 1>(args);
}
DEVICE_KERNEL(conv_depthwise_of_f16_v4, FloatDepthwiseArgs) {
  depthwise<f16, 4>(args);
}
DEVICE_KERNEL(conv_depthwise_of_f16_v1, FloatDepthwiseArgs) {
  depthwise<f16, 1>(args);
}
DEVICE_KERNEL(conv_depthwise_of_bf16_v4, FloatDepthwiseArgs) {
  depthwise<bf16, 4>(args);
}
DEVICE_KERNEL(conv_depthwise_of_bf16_v1, FloatDepthwiseArgs) {
  depthwise<bf16, 1>(args);
}
DEVICE_KERNEL(conv_depthwise_codes_v4, CodeDepthwiseArgs) {
  depthwise_codes<4>(args);
}
DEVICE_KERNEL(conv_depthwise_codes_v1, CodeDepthwiseArgs) {
  depthwise_codes<1>(args);
}

}  // namespace halftone::cuda
