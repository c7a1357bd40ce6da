#pragma once

#include <cstdint>

namespace halftone::cpu {

/// Products of a tile along a line: as many as it has outputs and the window taps, less one.
inline constexpr int64_t kLineParts = 6;

/// Where the outputs of a tile go: y = min(max(sum + bias + residual, low), high).
struct WinogradLineOutput {
  float* y;  ///< y[i * step + n]
  int64_t step;
  const float* residual;  ///< null, or residual[i * residual_step + n]
  int64_t residual_step;
  int64_t outputs;    ///< of a whole tile: 7 less the taps
  int64_t existing;   ///< of them that exist
  const float* bias;  ///< [channels of y], padded to whole vectors
  float low, high;
};

/// The transforms of Winograd's F(4, 3), F(3, 4) and F(2, 5) along one axis of channels-last values for one
/// instruction set: 6 products where the windows of the tile have 12 or 10. Points as in winograd_loops.h, so
/// that B^T is the same for all.
struct WinogradLineLoops {
  int64_t width;  ///< floats of a vector
  /// to[part * part_step + c] = (B^T d)[part], the channels of d[i] at places[i]. The last vector is filled
  /// up with zeros.
  void (*read)(const float* const* places, int64_t channels, float* to, int64_t part_step);
  /// From sums[part * part_step + n], whole vectors of them, n in [0, count).
  void (*write)(const float* sums, int64_t part_step, int64_t count, const WinogradLineOutput& out);
};

extern const WinogradLineLoops winograd_line_avx512vnni;
extern const WinogradLineLoops winograd_line_avx2;
extern const WinogradLineLoops winograd_line_neon;

}  // namespace halftone::cpu
