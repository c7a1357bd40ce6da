#include "backend/cuda/conv_transpose/conv_transpose_kernels.h"

namespace halftone::cuda {
namespace {

/// The element of axis `a` that tap `tap` takes to output `out`; -1: none.
DEVICE int source_of(const ConvTransposeArgs& args, int a, int out, int tap) {
  const int at = out + args.pad[a] - tap * args.dilation[a];
  if (at < 0 || at % args.stride[a] != 0) return -1;
  const int from = at / args.stride[a];
  return from < args.size[a] ? from : -1;
}

template <class T>
DEVICE void conv_transpose(const ConvTransposeArgs& args) {
  const int plane = args.out[1] * args.out[2], places = args.out[0] * plane;
  const int64_t size = int64_t{args.size[0]} * args.size[1] * args.size[2];
  const int place = block_x() * block_threads() + thread();
  if (place >= places) return;
  const int d = place / plane, h = place % plane / args.out[2], w = place % args.out[2];
  const int fours = (args.group_outputs + kTransposeOutputs - 1) / kTransposeOutputs;
  const int group = block_y() / fours, four = block_y() % fours;
  const int taps = args.kernel[0] * args.kernel[1] * args.kernel[2];
  const T* x = static_cast<const T*>(args.x) + int64_t{block_z()} * args.groups * args.group_inputs * size +
               int64_t{group} * args.group_inputs * args.x_channel;
  const float* weights = args.w + int64_t{block_y()} * taps * args.group_inputs * kTransposeOutputs;
  float sums[kTransposeOutputs] = {0, 0, 0, 0};
  for (int td = 0; td < args.kernel[0]; ++td) {
    const int from_d = source_of(args, 0, d, td);
    if (from_d < 0) continue;
    for (int th = 0; th < args.kernel[1]; ++th) {
      const int from_h = source_of(args, 1, h, th);
      if (from_h < 0) continue;
      for (int tw = 0; tw < args.kernel[2]; ++tw) {
        const int from_w = source_of(args, 2, w, tw);
        if (from_w < 0) continue;
        const T* from =
            x + ((int64_t{from_d} * args.size[1] + from_h) * args.size[2] + from_w) * args.x_place;
        const float* tap = weights + ((td * args.kernel[1] + th) * args.kernel[2] + tw) *
                                         int64_t{args.group_inputs} * kTransposeOutputs;
        UNROLL_FOUR
        for (int c = 0; c < args.group_inputs; ++c) {
          const float value = to_f32(from[c * args.x_channel]);
          const Vec4 by = load_cached(reinterpret_cast<const Vec4*>(tap + c * kTransposeOutputs));
          sums[0] += value * by.x;
          sums[1] += value * by.y;
          sums[2] += value * by.z;
          sums[3] += value * by.w;
        }
      }
    }
  }
  const int first = four * kTransposeOutputs;
  UNROLL
  for (int o = 0; o < kTransposeOutputs; ++o) {
    if (first + o >= args.group_outputs) continue;
    const int channel = group * args.group_outputs + first + o;
    const float bias = args.bias ? to_f32(static_cast<const T*>(args.bias)[channel]) : 0;
    static_cast<T*>(args.y)[int64_t{block_z()} * args.groups * args.group_outputs * places +
                            channel * args.y_channel + place * args.y_place] = from_f32<T>(sums[o] + bias);
  }
}

}  // namespace

DEVICE_KERNEL(conv_transpose_f32, ConvTransposeArgs) {
  conv_transpose<float>(args);
}
DEVICE_KERNEL(conv_transpose_f16, ConvTransposeArgs) {
  conv_transpose<f16>(args);
}
DEVICE_KERNEL(conv_transpose_bf16, ConvTransposeArgs) {
  conv_transpose<bf16>(args);
}

}  // namespace halftone::cuda
