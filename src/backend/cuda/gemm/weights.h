#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/device/kernel.h"

namespace halftone::cuda {

/// How 16 weights of a lane lie in its words (unpack.h).
enum class WeightKind : int32_t {
  split,  ///< f32: a sum of two f16, times a power of two of the row
  half,   ///< f16 and bf16, times a power of two of the row
  int8,   ///< unsigned codes of 5 to 8 bits
  int4,   ///< of 3 and 4
  int2,
  table4,  ///< codes of up to 4 bits that index f16 numbers
  e4m3,
  e5m2,
};

/// What a weight has besides code * scale.
enum class OffsetKind : int32_t {
  none,
  shared_zero,  ///< (code - zero) * scale, one zero for all
  zeros,        ///< a zero code for each scale
  minima        ///< code * scale + minimum
};

/// Rows of B (outputs) that a tile has: those of one Tensor-Core fragment.
inline constexpr int kTileRows = 16;
/// Columns within which their order differs from the matrix's.
inline constexpr int kBlockColumns = 32;
/// What the number of packed columns is a multiple of.
inline constexpr int kStepColumns = 128;
/// Bytes that a warp reads at once: 16 a lane.
inline constexpr int kUnitBytes = 512;

/// Weights B [n, k] in the order in which the lanes of a warp want them.
///
/// A tile is 16 outputs, the last one filled up with zeros. Along k it is cut into blocks of 32 columns; lane
/// (g, t) = (lane / 4, lane % 4) owns columns 8t to 8t + 7 of outputs g and g + 8 in each of them, so that
/// columns 8t + 4s to 8t + 4s + 3 are its share of step s (0, 1) of m16n8k16: its two A words hold columns
/// +0, +1 and +2, +3. As any order of columns is right as long as both factors have it, the activations are
/// read as they lie.
/// Four columns of one output make a quad: a word with a byte for columns +0, +2, +1, +3. Codes of 8 bits
/// are quads, in the order (s, output); with 4 bits the quads of outputs g and g + 8 share a word, the second
/// shifted by 4; with 2 bits those of both steps do, shifted by 2 h + 4 s. Numbers of 16 bits are A words.
/// 512 bytes, 16 a lane, are a unit; units lie along k, tiles one after another.
///
/// Scales run along k in groups. Groups are filled up to 32, 64 or 128 columns, or to a multiple of a unit's
/// columns.
struct WeightsView {
  WeightKind kind;
  OffsetKind offset_kind;
  const std::byte* codes;    ///< [tiles][packed_k * bits / 256][512]
  const void* scales;        ///< [tiles][groups][16], f16 or f32; null: 1
  const void* offsets;       ///< [tiles][groups][16], u8 zeros or minima like the scales
  const float* row_factors;  ///< [tiles * 16]: powers of two that rows are divided by when they become f16,
                             ///< so that they fit it: already (split, half), or with their scales
  int n, k;
  int packed_k;  ///< columns with all filling
  int group;     ///< packed columns that share a scale, a multiple of 32
  int taken;     ///< of these, columns that B has
  int groups;    ///< ceil(packed_k / group)
  int zero;      ///< under shared_zero
  bool f32_scales;
  uint32_t table[8];  ///< under table4: the low bytes of 16 f16, then their high bytes
};

/// Tiles of weights with n outputs.
HOST_AND_DEVICE constexpr int tiles_of(int n) {
  return (n + kTileRows - 1) / kTileRows;
}

}  // namespace halftone::cuda
