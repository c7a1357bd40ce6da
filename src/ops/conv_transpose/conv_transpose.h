#pragma once

#include "ops/window.h"

namespace halftone {

/// ONNX ConvTranspose (22), the gradient of Conv by its input: each X[n, c, i] is added, times W[c, m, t], to
/// Y[n, m, i stride - pad + t dilation]; then B[m].
///
/// Inputs: X [N, C, spatial...], W [C, M / group, kernel...], B [M], floating.
/// Attributes: kernel_shape (W's), strides, dilations, pads, auto_pad, group (1), output_padding (0),
/// output_shape (spatial; the pads follow from it). The reference sums in double.
const OpSchema& conv_transpose_schema();

/// The window that the outputs of X's places fall into, with the pads that auto_pad and output_shape ask for.
struct ConvTransposeExtent {
  Window window;
  Shape output;  ///< [N, M, spatial...]
  int64_t groups, group_inputs, group_outputs;
};
ConvTransposeExtent conv_transpose_extent(const OpSite& site);

}  // namespace halftone
