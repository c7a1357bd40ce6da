#pragma once

#include "backend/cuda/codes/code_math.h"

namespace halftone::cuda {

constexpr int kMoveAxes = 6;

/// One axis of what is moved. Index i of it goes to i * to_step, and comes from `table[i]` (or i) + shift,
/// times from_step; a source index outside [0, limit) is none, there `missing` stands.
struct MoveAxis {
  int64_t to_step, from_step;
  const int32_t* table;  ///< null: none
  uint32_t extent;
  int32_t shift, limit;
};

/// What becomes of an element on its way.
enum class Conversion : int32_t {
  none,
  recode,  ///< u8 through `codes`
  decode,  ///< u8 to f32
  encode   ///< f32 to u8
};

/// Elements from here to there, by axes of `extent`s, outermost first; steps in elements. Elements that only
/// move are words of any size.
struct MoveArgs {
  const void* from;
  void* to;
  const uint8_t* codes;
  MoveAxis axes[kMoveAxes];
  Words4 missing;  ///< as it is stored there, over 16 bytes
  DeviceCodes scale;
  uint32_t count;
  int32_t dims;
  int32_t word_bytes;  ///< 1, 2, 4, 8 or 16
  Conversion conversion;
};

/// A thread moves one word.
DECLARE_DEVICE_KERNEL(move_kernel, MoveArgs);

/// The last two axes (`rows` with step 1 there, `columns` with step 1 here) through shared memory, so that
/// both sides are read and written in lines. Batches are `from_batch` and `to_batch` apart, a line of rows
/// `columns` long there. Elements as in MoveArgs, of 1 or 4 bytes on either side.
struct TurnArgs {
  const void* from;
  void* to;
  const uint8_t* codes;
  int64_t from_batch, to_batch, from_row, to_row;  ///< from[row, column] is to[column, row]
  int32_t rows, columns;
  int32_t word_bytes;  ///< 1 or 4
  DeviceCodes scale;
  Conversion conversion;
};
constexpr int kTurnTile = 32, kTurnThreads = 256;
constexpr size_t kTurnShared = static_cast<size_t>(kTurnTile) * (kTurnTile + 1) * 4;

/// Grid: columns, rows, batches; a block turns a tile of 32 by 32.
DECLARE_DEVICE_KERNEL(turn_kernel, TurnArgs);

}  // namespace halftone::cuda
