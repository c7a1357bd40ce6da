#pragma once

#include "backend/cpu/int8/code_tile.h"

namespace halftone::cpu {

/// 3x3 windows of stride 1 over codes by Winograd's F(2x2, 3x3) (Lavin and Gray, arXiv:1509.09308), in
/// integers: 16 products of matrices instead of 36 for each four outputs. The transform of the weights is
/// kept twice in each direction, so that it is whole and its sums are four times those of the window,
/// exactly.
///
/// In pictures a `tile` is 2 x 2 outputs, which read 4 x 4 places. Sums of 16 bits hold the transformed codes
/// (within 4 * 255) and weights (within 9 * 128); products are summed modulo 2^32, and four times a sum fits
/// that for kWinogradChannels.
struct CodeWinograd {
  int64_t tiles;                 ///< kWinogradTiles at most
  const uint8_t* const* places;  ///< [tiles, 16]: the channels that a tile reads, or of padding
  int64_t channels;              ///< 16 at least
  int64_t outputs;               ///< of all panels
  const int16_t* weights;        ///< [panels, 16, channels / 2 rounded up, 16 outputs, 2]
  const int32_t* bias;           ///< [panels * 16]
  const int64_t* rows;           ///< [tiles, 4]: which row of the output each is, -1 where none
  int64_t out_step;              ///< between rows of the output, and of the residual
  const uint8_t* residual;       ///< null, or codes laid out as the output
  std::byte* scratch;            ///< scratch_bytes(channels), 32-byte aligned
  uint8_t* out;
};

inline constexpr int64_t kWinogradTiles = 24;
inline constexpr int64_t kWinogradChannels = 1024;

struct CodeWinogradLoops {
  size_t (*scratch_bytes)(int64_t channels);
  void (*run)(const CodeWinograd& work, const CodeFinish& finish);
};

extern const CodeWinogradLoops code_winograd_avx2;

}  // namespace halftone::cpu
