#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/gate_polynomial.h"

namespace halftone::cpu {

struct ActivationLoops;

inline constexpr int64_t kCodePanel = 16;  ///< outputs of a panel
inline constexpr int64_t kCodeQuad = 4;    ///< codes that a dot-product instruction sums
inline constexpr int64_t kCodeBlock = 4;   ///< panels that a tile takes at most

/// What becomes of exact 32-bit sums (ops/requantizer.h), plain data for code of any instruction set. Arrays
/// have an entry for each output, padded to whole blocks of panels.
struct CodeFinish {
  const float* multipliers = nullptr;  ///< of floats, and of codes under Requantization::floating
  const float* below = nullptr;  ///< the multipliers of negative sums, where they differ, or, with a gate,
                                 ///< factors behind it
  const int32_t* mantissas = nullptr;  ///< set under Requantization::fixed
  const int32_t* shifts = nullptr;
  const int32_t* mantissas_below = nullptr;
  const int32_t* shifts_below = nullptr;
  int32_t zero = 0;
  int32_t lowest = 0, highest = 255;
  /// Of a residual in codes: what it is times, less which zero; sums are shifted left first.
  const int32_t* residual_factors = nullptr;
  int32_t residual_zero = 0, sum_shift = 0;
  bool large = false;      ///< a multiplier is 1 or more, so a product may leave 32 bits, or a gain is
  Gate gate = Gate::none;  ///< by ops/gate_polynomial.h
  const uint8_t* table = nullptr;  ///< 256 codes by code, or null
};
/// Loops hold a copy, which compilers take apart into registers up to this size.
static_assert(sizeof(CodeFinish) <= 96);

/// u8 codes times s8 weights: rows of codes, gathered tap by tap.
struct CodeTile {
  const uint8_t* const* rows;  ///< [taps, row_step]: where row r reads its channels under each tap
  int64_t row_step;
  int64_t count;            ///< rows
  int64_t taps, quads;      ///< quads of channels under a tap; rows are readable to their end
  int64_t pairs;            ///< pairs of channels under a tap
  bool wide;                ///< rows are of codes in 16 bits (where CodeLoops::takes_wide)
  const int8_t* weights;    ///< [panels, taps, quads, 4 / CodeLoops::side, 16, CodeLoops::side]
  const int32_t* bias;      ///< [panels * 16], what a row without codes sums to
  int64_t outputs;          ///< of all panels
  int64_t out_step;         ///< elements between rows of the output, and of the residual
  const int64_t* places;    ///< [count]: row r of the output, and of the residual, is places[r]; null: r
  const uint8_t* residual;  ///< at the first output; set where the finish has factors for it
  std::byte* scratch;       ///< CodeLoops::scratch_bytes() that nobody else uses meanwhile
};

/// The loops for one instruction set. Bit for bit the same results from each.
struct CodeLoops {
  /// What the loops subtract from every code, to be made good in the bias.
  int32_t code_bias;
  /// Codes of one output that stand side by side in the weights: 4, or 2.
  int64_t side;
  size_t (*scratch_bytes)(int64_t taps, int64_t quads);
  /// `finish` and `out` begin at the tile's first output.
  void (*to_codes)(const CodeTile& tile, const CodeFinish& finish, uint8_t* out);
  void (*to_floats)(const CodeTile& tile, const CodeFinish& finish, float* out);
  const ActivationLoops* activations;  ///< of the same instruction set, for floats
  /// Rows that are gathered at a time at most: their pointers and outputs stay in the nearest cache. A
  /// multiple of the tile's rows.
  int64_t chunk = 48;
  size_t beyond = 0;        ///< bytes that are read beyond the last panel, whatever they are
  bool takes_wide = false;  ///< CodeTile::wide: it multiplies such numbers, and need not make them
};

extern const CodeLoops code_loops_amx;
extern const CodeLoops code_loops_avx512vnni;
extern const CodeLoops code_loops_avxvnni;
extern const CodeLoops code_loops_avx2;
extern const CodeLoops code_loops_neondot;

}  // namespace halftone::cpu
