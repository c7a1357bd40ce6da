#include "backend/cuda/gemm/int_sums.h"

namespace halftone::cuda {

/// Units that a lane has under way.
constexpr int kIntAhead = 4;

/// A warp's place in its steps: those of its pieces, one after another. Behind the last piece of a round,
/// piece is not less than the round's end.
struct PieceCursor {
  int piece, step, end;
};

template <WeightKind kind>
DEVICE void few_int(const IntProductArgs& args) {
  using Codes = Unpack<kind>;
  constexpr int kColumns = Codes::kBlocks * kBlockColumns;
  constexpr int kPairs = (Codes::kBlocks + 1) / 2;  // 16-byte words of A
  const WeightsView& w = args.weights;
  const IntRowsView& in = args.rows;
  const int tile = block_x(), first_row = 8 * block_y();
  const int rows = args.out.m - first_row < 8 ? args.out.m - first_row : 8;
  const int g = lane() / 4, t = lane() % 4;
  const int steps = w.packed_k / kColumns;
  const Words4* codes = reinterpret_cast<const Words4*>(w.codes) + int64_t{tile} * steps * kWarp + lane();
  const int8_t* a = in.codes + int64_t{first_row + (g < rows ? g : 0)} * w.packed_k + 16 * t;

  // A segment has whole units, or a unit whole segments.
  const int segment_blocks = in.segment / kBlockColumns;
  const int slots_of_unit = in.segment < kColumns ? kColumns / in.segment : 1;
  const int segment_steps = in.segment < kColumns ? 1 : in.segment / kColumns;
  const int round_pieces = kIntSlots / slots_of_unit / args.parts * args.parts;
  // To the first step of `piece` or, where it is empty, of the warp's next one.
  const auto enter = [&](int piece) {
    PieceCursor c{piece, 0, 0};
    for (; c.piece < args.pieces; c.piece += block_warps()) {
      const int first = c.piece / args.parts * segment_steps, last = first + segment_steps;
      c.step = first + c.piece % args.parts * args.piece_steps;
      c.end = c.step + args.piece_steps < last ? c.step + args.piece_steps : last;
      c.end = c.end < steps ? c.end : steps;
      if (c.step < c.end) break;
    }
    return c;
  };

  Words4 ahead[kIntAhead], tokens[kIntAhead][kPairs];
  PieceCursor reader = enter(warp());
  const auto load = [&](int slot, int round_end) {
    if (reader.piece >= round_end) return;
    ahead[slot] = load_once(codes + int64_t{reader.step} * kWarp);
    UNROLL
    for (int i = 0; i < kPairs; ++i)
      tokens[slot][i] = g < rows ? load_wide<Words4>(a + (reader.step * kColumns / 64 + i) * 64) : Words4{};
    if (++reader.step >= reader.end) reader = enter(reader.piece + block_warps());
  };
  int round_end = round_pieces < args.pieces ? round_pieces : args.pieces;
  UNROLL
  for (int i = 0; i < kIntAhead; ++i) load(i, round_end);

  const Shared<int> slots = shared_memory<int>(0);
  float sum = 0;
  int sums[4] = {};
  const auto leave = [&](int slot) {
    UNROLL
    for (int i = 0; i < 4; ++i) {
      slots[slot * kTileRows * 8 + (2 * t + i % 2) * kTileRows + g + 8 * (i / 2)] = sums[i];
      sums[i] = 0;
    }
  };

  PieceCursor at = enter(warp());
  for (int round = 0; round < args.pieces; round += round_pieces) {
    // Pieces without steps leave nothing, but their slots are read.
    for (int piece = round + warp(); piece < round_end; piece += block_warps())
      if (enter(piece).piece != piece) leave(piece - round);
    while (at.piece < round_end) {
      UNROLL
      for (int i = 0; i < kIntAhead; ++i) {
        if (at.piece >= round_end) break;
        const uint32_t words[4] = {ahead[i].x, ahead[i].y, ahead[i].z, ahead[i].w};
        Words4 x[kPairs];
        UNROLL
        for (int j = 0; j < kPairs; ++j) x[j] = tokens[i][j];
        load(i, round_end);
        UNROLL
        for (int b = 0; b < Codes::kBlocks; ++b) {
          uint32_t weights[4], activations[2];
          UNROLL
          for (int j = 0; j < 4; ++j) weights[j] = signed_quad<kind>(words, b, j / 2, j % 2);
          const bool second = Codes::kBlocks == 1 ? at.step % 2 != 0 : b % 2 != 0;
          activations[0] = second ? x[b / 2].z : x[b / 2].x;
          activations[1] = second ? x[b / 2].w : x[b / 2].y;
          mma_s8(sums, weights, activations);
          if (in.segment < kColumns && (b + 1) % segment_blocks == 0)
            leave((at.piece - round) * slots_of_unit + b / segment_blocks);
        }
        if (++at.step >= at.end) {
          if (in.segment >= kColumns) leave(at.piece - round);
          at = enter(at.piece + block_warps());
        }
      }
    }
    const int next_end = round_end + round_pieces < args.pieces ? round_end + round_pieces : args.pieces;
    UNROLL
    for (int i = 0; i < kIntAhead; ++i) load(i, next_end);
    sync_block();
    if (thread() < rows * kTileRows) {
      const int row = first_row + thread() / kTileRows, output = tile * kTileRows + thread() % kTileRows;
      const int first = round / args.parts * slots_of_unit;
      const int count = (round_end - round) / args.parts * slots_of_unit;
      for (int i = 0; i < count && first + i < in.segments; ++i) {
        const int segment = first + i, column = segment * in.segment;
        int products = 0;
        for (int part = 0; part < args.parts; ++part)
          products += slots[(i * args.parts + part) * kTileRows * 8 + thread()];
        const float row_scale = in.groups == 1 ? 1.0f : in.scales[row * in.groups + column / in.group];
        sum = add_segment(w, int_scale<kind>(w, output, column / w.group), products,
                          in.sums[segment * args.out.m + row], row_scale, sum);
      }
    }
    sync_block();
    round_end = next_end;
  }
  if (thread() < rows * kTileRows) {
    const int row = first_row + thread() / kTileRows, output = tile * kTileRows + thread() % kTileRows;
    if (output < w.n) finish_product<kind>(args, row, output, sum);
  }
}

DEVICE_KERNEL_BOUNDED(few_int_int8, IntProductArgs, 256, 2) {
  few_int<WeightKind::int8>(args);
}
DEVICE_KERNEL_BOUNDED(few_int_int4, IntProductArgs, 256, 2) {
  few_int<WeightKind::int4>(args);
}
DEVICE_KERNEL_BOUNDED(few_int_int2, IntProductArgs, 256, 1) {
  few_int<WeightKind::int2>(args);
}

}  // namespace halftone::cuda
