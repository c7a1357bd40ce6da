#include "backend/cuda/conv/conv_kernels.h"

namespace halftone::cuda {

DEVICE_KERNEL(conv_plain_kernel, PlainConvArgs) {
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  if (i >= args.count) return;
  const int64_t places = int64_t{args.out[0]} * args.out[1] * args.out[2];
  const int64_t n = i / (places * args.outputs), inside = i % (places * args.outputs);
  const int output = static_cast<int>(inside / places), group = output / args.group_outputs;
  const int64_t place = inside % places;
  int first[3];
  {
    int64_t rest = place;
    UNROLL
    for (int a = 2; a >= 0; --a) {
      first[a] = static_cast<int>(rest % args.out[a]) * args.stride[a] - args.pad[a];
      rest /= args.out[a];
    }
  }
  const float* x = args.x + n * args.x_picture + int64_t{group} * args.group_inputs * args.x_channel;
  const int64_t taps = int64_t{args.kernel[0]} * args.kernel[1] * args.kernel[2];
  const float* w = args.weights + int64_t{output} * args.group_inputs * taps;
  float sum = 0;
  int64_t tap = 0;
  for (int d = 0; d < args.kernel[0]; ++d)
    for (int h = 0; h < args.kernel[1]; ++h)
      for (int v = 0; v < args.kernel[2]; ++v, ++tap) {
        const int at[3] = {first[0] + d * args.dilation[0], first[1] + h * args.dilation[1],
                           first[2] + v * args.dilation[2]};
        bool within = true;
        int64_t offset = 0;
        UNROLL
        for (int a = 0; a < 3; ++a) {
          within = within && at[a] >= 0 && at[a] < args.size[a];
          offset += at[a] * args.x_step[a];
        }
        if (!within) continue;
        for (int c = 0; c < args.group_inputs; ++c)
          sum = multiply_add(x[offset + c * args.x_channel], w[c * taps + tap], sum);
      }
  if (args.bias) sum += args.bias[output];
  const int64_t y = n * args.y_picture + output * args.y_channel + place * args.y_place;
  if (args.residual) sum += args.residual[y];
  args.y[y] = activate(args.activation, sum);
}

}  // namespace halftone::cuda
