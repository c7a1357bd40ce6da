#pragma once

#include "backend/cpu/int8/code_tile.h"

namespace halftone::cpu {

inline constexpr int64_t kDepthwiseColumns = 32;    ///< outputs of a line that are made together, at most
inline constexpr int64_t kDepthwiseMostStride = 2;  ///< from column to column

/// 3x3 windows over codes, each channel by itself, for 16 channels of a stretch of one line of outputs or of
/// two that lie a line of inputs apart. What is read of a column serves the windows of both lines and of all
/// columns that see it.
struct CodeDepthwiseLines {
  const uint8_t*
      lines[4];          ///< the first column's channels of the input lines under the windows, or of padding
  int64_t steps[4];      ///< from column to column: 0 in a line of padding
  int64_t columns;       ///< of an input line
  int64_t first_column;  ///< under the first tap of the first window; may be outside
  int64_t stride;        ///< from window to window
  const uint8_t* padding;  ///< channels of a place outside
  int64_t count;           ///< outputs of a line, kDepthwiseColumns at most
  const int16_t* weights;  ///< [4 vectors][3 columns][2 lines][16]: pack_depthwise_lines()
  const int32_t* bias;     ///< [16], as the arrays of the finish
  uint8_t* out[2];         ///< the first output of each line (the second may be null), or all null:
  int64_t out_step;        ///< between outputs
  std::byte* scratch;      ///< kDepthwiseScratch, 32-byte aligned
};

/// Columns that were read, then sums [2][kDepthwiseColumns][16].
inline constexpr int64_t kDepthwiseSums = (kDepthwiseMostStride * (kDepthwiseColumns - 1) + 3) * 128;
inline constexpr int64_t kDepthwiseScratch = kDepthwiseSums + 2 * kDepthwiseColumns * kCodePanel * 4;

/// The weights of 16 channels, [16][9], as the loops read them: 384 numbers. Vector v is for channels 4 v to
/// 4 v + 3, two weights for each: in its lower half those of the window's lines 0 and 1, in its upper half
/// those of 2 and none; for the second line of outputs none and 0, then 1 and 2.
void pack_depthwise_lines(const int8_t* const* channels, int16_t* to);

/// The loops for one instruction set. Bit for bit the same results from each.
struct CodeDepthwiseLinesLoops {
  /// One line of outputs, or two. Codes go to `out`; without it floats, multiplied, take the place of the
  /// sums.
  void (*one)(const CodeDepthwiseLines& work, const CodeFinish& finish);
  void (*two)(const CodeDepthwiseLines& work, const CodeFinish& finish);
  const ActivationLoops* activations;  ///< of the same instruction set, for floats
};

extern const CodeDepthwiseLinesLoops code_depthwise_lines_avx2;

}  // namespace halftone::cpu
