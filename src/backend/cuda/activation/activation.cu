#include "backend/cuda/activation/activation_kernels.h"

namespace halftone::cuda {

DEVICE float hard_sigmoid(float x, float alpha, float beta) {
  const float line = product(alpha, x) + beta;
  return line < 0 ? 0 : line > 1 ? 1 : line;  // NaN stays
}

DEVICE float activate(float x, const ActivationArgs& args) {
  switch (args.kind) {
    case Activation::sigmoid:
      return 1 / (1 + accurate_exp(-x));
    case Activation::tanh:
      return accurate_tanh(x);
    case Activation::swish:
      return x / (1 + accurate_exp(-args.alpha * x));
    case Activation::gelu:
      return 0.5f * x * (1 + accurate_erf(x * 0.70710678118654752f));
    case Activation::gelu_tanh:
      return 0.5f * x * (1 + accurate_tanh(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    case Activation::leaky_relu:
      return x < 0 ? args.alpha * x : x;
    case Activation::hard_sigmoid:
      return hard_sigmoid(x, args.alpha, args.beta);
    default:
      return x * hard_sigmoid(x, 1.0f / 6, 0.5f);
  }
}

DEVICE_KERNEL(activation_kernel, ActivationArgs) {
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  if (!args.wide) {
    if (i < args.count) args.y.set(i, activate(args.x[i], args) * (args.up ? args.up[i] : 1.0f));
    return;
  }
  if (4 * i >= args.count) return;
  const Vec4 x = args.x.four(4 * i);
  const Vec4 up = args.up ? args.up.four(4 * i) : Vec4{1, 1, 1, 1};
  args.y.set_four(4 * i, {activate(x.x, args) * up.x, activate(x.y, args) * up.y, activate(x.z, args) * up.z,
                          activate(x.w, args) * up.w});
}

}  // namespace halftone::cuda
