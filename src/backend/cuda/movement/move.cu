#include "backend/cuda/movement/move_kernels.h"

namespace halftone::cuda {

namespace {

/// Element `from` of the source, or where there is none the missing one, made element `to` of the
/// destination.
template <class T>
DEVICE void move_word(const MoveArgs& args, bool inside, int64_t from, int64_t to, T missing) {
  static_cast<T*>(args.to)[to] = inside ? static_cast<const T*>(args.from)[from] : missing;
}

}  // namespace

DEVICE_KERNEL(move_kernel, MoveArgs) {
  const uint32_t i = static_cast<uint32_t>(block_x()) * static_cast<uint32_t>(block_threads()) +
                     static_cast<uint32_t>(thread());
  if (i >= args.count) return;
  int64_t from = 0, to = 0;
  bool inside = true;
  uint32_t rest = i;
  UNROLL
  for (int d = kMoveAxes - 1; d >= 0; --d) {
    if (d >= args.dims) continue;
    const MoveAxis& axis = args.axes[d];
    const uint32_t above = d == 0 ? 0 : rest / axis.extent, at = rest - above * axis.extent;
    rest = above;
    const int source = (axis.table ? axis.table[at] : static_cast<int>(at)) + axis.shift;
    inside = inside && source >= 0 && source < axis.limit;
    from += source * axis.from_step;
    to += at * axis.to_step;
  }
  const auto* codes = static_cast<const uint8_t*>(args.from);
  switch (args.conversion) {
    case Conversion::recode:
      static_cast<uint8_t*>(args.to)[to] =
          inside ? args.codes[codes[from]] : static_cast<uint8_t>(args.missing.x);
      return;
    case Conversion::decode:
      static_cast<float*>(args.to)[to] = inside ? decode(codes[from], args.scale) : float_of(args.missing.x);
      return;
    case Conversion::encode:
      static_cast<uint8_t*>(args.to)[to] =
          inside ? encode(static_cast<const float*>(args.from)[from], args.scale)
                 : static_cast<uint8_t>(args.missing.x);
      return;
    default:
      break;
  }
  switch (args.word_bytes) {
    case 16:
      return move_word<Words4>(args, inside, from, to, args.missing);
    case 8:
      return move_word<Words2>(args, inside, from, to, {args.missing.x, args.missing.y});
    case 4:
      return move_word<uint32_t>(args, inside, from, to, args.missing.x);
    case 2:
      return move_word<uint16_t>(args, inside, from, to, static_cast<uint16_t>(args.missing.x));
    default:
      return move_word<uint8_t>(args, inside, from, to, static_cast<uint8_t>(args.missing.x));
  }
}

DEVICE_KERNEL(turn_kernel, TurnArgs) {
  const Shared<uint32_t> tile = shared_memory<uint32_t>(0);
  const int column = block_x() * kTurnTile + lane();
  const int64_t from = block_z() * args.from_batch, to = block_z() * args.to_batch;
  for (int r = warp(); r < kTurnTile; r += kTurnThreads / kWarp) {
    const int row = block_y() * kTurnTile + r;
    if (row >= args.rows || column >= args.columns) continue;
    const int64_t at = from + row * args.from_row + column;
    uint32_t word;
    switch (args.conversion) {
      case Conversion::recode:
        word = args.codes[static_cast<const uint8_t*>(args.from)[at]];
        break;
      case Conversion::decode:
        word = bits_of(decode(static_cast<const uint8_t*>(args.from)[at], args.scale));
        break;
      case Conversion::encode:
        word = encode(static_cast<const float*>(args.from)[at], args.scale);
        break;
      default:
        word = args.word_bytes == 4 ? static_cast<const uint32_t*>(args.from)[at]
                                    : static_cast<const uint8_t*>(args.from)[at];
    }
    tile[r * (kTurnTile + 1) + lane()] = word;
  }
  sync_block();
  const bool bytes = args.conversion == Conversion::recode || args.conversion == Conversion::encode ||
                     (args.conversion == Conversion::none && args.word_bytes == 1);
  const int row = block_y() * kTurnTile + lane();
  for (int c = warp(); c < kTurnTile; c += kTurnThreads / kWarp) {
    const int there = block_x() * kTurnTile + c;
    if (row >= args.rows || there >= args.columns) continue;
    const uint32_t word = tile[lane() * (kTurnTile + 1) + c];
    const int64_t at = to + there * args.to_row + row;
    if (bytes)
      static_cast<uint8_t*>(args.to)[at] = static_cast<uint8_t>(word);
    else
      static_cast<uint32_t*>(args.to)[at] = word;
  }
}

}  // namespace halftone::cuda
