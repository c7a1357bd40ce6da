#pragma once

#include "ops/window.h"

namespace halftone {

/// ONNX Conv (22): Y[n, m, o] = sum over c, t of X[n, g C/group + c, o stride - pad + t dilation] W[m, c, t]
/// + B[m], g the group of m, padding read as 0.
///
/// Inputs: X [N, C, spatial...] (1 to 6 spatial axes), W [M, C / group, kernel...], B [M], floating.
/// Attributes: kernel_shape (W's), strides, dilations, pads, auto_pad, group (1).
/// Ours: an input R of Y's shape, added to the sum (a residual), and `activation` with its parameters
/// (ops/fused_activation.h), applied next, and an input G [M] of gains, one factor a channel, applied last; a
/// dynamic encoding of X: int8 (conv_dynamic.h), or
/// bf16, which rounds it (scheme/bf16/rounded_bf16.h). The reference sums in double and applies the
/// activation in f32.
const OpSchema& conv_schema();
inline constexpr size_t kConvGains = 4;  ///< which input G is

/// The sizes of one Conv: M = groups * group_outputs, C = groups * group_inputs.
struct ConvExtent {
  Window window;
  int64_t groups, group_inputs, group_outputs;
};
ConvExtent conv_extent(const OpSite& site);
/// The same where X and W are not the first two inputs.
ConvExtent conv_extent(const OpSite& site, const Shape& x, const Shape& w);
/// Y's shape. InputError where X, W and the attributes do not fit together.
Shape conv_output_shape(const OpSite& site, const Shape& x, const Shape& w);

}  // namespace halftone
