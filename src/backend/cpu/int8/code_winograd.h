#pragma once

#include "backend/cpu/int8/code_tile.h"

namespace halftone::cpu {

/// 3x3 windows of stride 1 over codes by Winograd's F(2x2, 3x3) or F(4x4, 3x3) (Lavin and Gray,
/// arXiv:1509.09308), in integers: for each four outputs 16 or 9 products of matrices instead of 36. The
/// weights are transformed without the fractions of the method (winograd_window.h), so that they are whole
/// and the sums known multiples of those of the window, exactly.
///
/// In pictures a `tile` is out x out outputs, which read in x in places, in = out + 2. Numbers of 16 bits
/// hold the transformed codes and weights: 4 * 255 and 9 * 128 at most for out = 2, 68 * 255 and 49 * 128 for
/// out = 4. Products are summed modulo 2^32.
struct CodeWinograd {
  int64_t tiles;                 ///< CodeWinogradLoops::tiles at most
  const uint8_t* const* places;  ///< [tiles, in, in]: the channels that a tile reads, or of padding
  int64_t channels;              ///< each place is readable for 16 at least
  int64_t outputs;               ///< of all panels
  const int16_t* weights;        ///< [panels, in * in, channels / 2 rounded up, 16 outputs, 2]
  const int32_t* bias;           ///< [panels * 16]
  const int64_t* rows;           ///< [tiles, out, out]: which row of the output each is, -1 where none
  int64_t out_step;              ///< between rows of the output, and of the residual
  const uint8_t* residual;       ///< null, or codes laid out as the output
  std::byte* scratch;            ///< scratch_bytes(channels), 64-byte aligned
  uint8_t* out;                  ///< codes, or, where null,
  float* floats;                 ///< numbers, multiplied
  /// What is left to do to `count` of them, before they are stored.
  void (*finish_floats)(const void* context, float* made, int64_t count);
  const void* context;
};

inline constexpr int64_t kWinogradChannels = 1024;

struct CodeWinogradLoops {
  int64_t out;    ///< outputs of a tile along each axis
  int64_t tiles;  ///< worked on together, at most
  int64_t reach;  ///< sums of a window, without bias, are exact below this
  void (*transform_window)(const int8_t* window, int16_t* parts);
  size_t (*scratch_bytes)(int64_t channels);
  void (*run)(const CodeWinograd& work, const CodeFinish& finish);

  int64_t in() const { return out + 2; }
};

extern const CodeWinogradLoops code_winograd_2x2_avx2;
extern const CodeWinogradLoops code_winograd_4x4_avx2;
extern const CodeWinogradLoops code_winograd_4x4_avxvnni;

}  // namespace halftone::cpu
