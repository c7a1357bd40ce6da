#pragma once

#include <cstdint>

namespace halftone::cpu {

/// Outputs of a tile and of a 3x3 window's input on each axis, and its products.
inline constexpr int64_t kWinogradOut = 4, kWinogradIn = 6, kWinogradParts = kWinogradIn * kWinogradIn;

/// Where the outputs of a tile go: y = min(max(sum + bias + residual, low), high).
struct WinogradOutput {
  float* y;  ///< y[row * line + column * step + n]
  int64_t line, step;
  const float* residual;  ///< null, or laid out by its own steps
  int64_t residual_line, residual_step;
  int64_t rows, columns;  ///< that exist, kWinogradOut at most
  const float* bias;      ///< [outputs], padded to whole vectors
  float low, high;
};

/// The transforms of Winograd's F(4x4, 3x3) on channels-last values for one instruction set.
///
/// Y = A^T (sum over channels of (G g G^T) * (B^T d B)) A, * element by element, for 6 x 6 places d and the
/// 3 x 3 weights g (Lavin and Gray, arXiv:1509.09308): 36 products where the window has 144. Points 0,
/// +-1/sqrt(2),
/// +-sqrt(2) keep the numbers of one size and lose fewer bits than 0, +-1, +-2.
struct WinogradLoops {
  int64_t width;  ///< floats of a vector
  /// to[part * part_step + c] = (B^T d B)[part]: place (y, x) of d has its channels at rows[y] + x * step.
  /// The last vector is filled up with zeros.
  void (*read)(const float* const* rows, int64_t step, int64_t channels, float* to, int64_t part_step);
  /// From sums[part * part_step + n], whole vectors of them.
  void (*write)(const float* sums, int64_t part_step, int64_t outputs, const WinogradOutput& out);
};

extern const WinogradLoops winograd_avx512vnni;
extern const WinogradLoops winograd_avx2;
extern const WinogradLoops winograd_neon;

}  // namespace halftone::cpu
