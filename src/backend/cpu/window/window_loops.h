#pragma once

#include <cstdint>

namespace halftone::cpu {

/// One row of outputs of a window that slides over channels-last planes, each channel by itself.
struct WindowRow {
  const float* x;  ///< one image, [rows][columns][channels]
  int64_t rows, columns, channels;
  int64_t kernel_y, kernel_x, dilation_y, dilation_x, stride_x;
  int64_t top;       ///< input row under the first tap
  int64_t pad_left;  ///< columns of padding before the first
  float* y;          ///< [out_columns][y_step]
  int64_t out_columns, y_step;
};

/// A depthwise convolution: y = min(max(sum + bias + residual, low), high), and HardSwish of that where it is
/// asked for.
struct DepthwiseTaps {
  const float* weights;   ///< [taps][step]
  const float* bias;      ///< [step]
  int64_t step;           ///< channels, padded to whole vectors
  const float* residual;  ///< null, or as y
  float low, high;
  bool hard_swish = false;
};

/// The loops for one instruction set.
struct WindowLoops {
  int64_t width;  ///< floats of a vector
  void (*depthwise)(const WindowRow& row, const DepthwiseTaps& taps);
  /// Two vectors from each of `count` rows, `step` floats apart, side by side.
  void (*gather_rows)(const float* from, int64_t step, int64_t count, float* to);
  /// -infinity under a window without elements.
  void (*max)(const WindowRow& row);
  /// Sums divided by row_divisor * column_divisors[column].
  void (*average)(const WindowRow& row, float row_divisor, const float* column_divisors);
};

extern const WindowLoops window_avx512vnni;
extern const WindowLoops window_avx2;
extern const WindowLoops window_neon;

}  // namespace halftone::cpu
