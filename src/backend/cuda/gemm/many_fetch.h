#pragma once

#include "backend/cuda/gemm/fragment_scales.h"
#include "backend/cuda/gemm/many_tokens_kernels.h"

namespace halftone::cuda {

/// Where a kernel is short of registers, what is computed from `value` is computed in each step.
template <class S>
DEVICE int maybe_again(int value) {
  return S::kFewRegisters ? again(value) : value;
}

/// The rows of A of a tile of Y, step after step.
template <class S, bool kWindows = S::kWindows>
class ManyRows {
 public:
  DEVICE_MEMBER ManyRows(const ManyTokensArgs& args, int token, int step) : args_(args), token_(token) {
    at_ = int64_t{token + thread() / 8 % S::kTokens} * args.weights.packed_k +
          (step * S::kColumns + my_piece() * 64 + thread() % 8 * 8);
  }

  DEVICE_MEMBER void copy(Shared<std::byte> to) {
    const int packed_k = maybe_again<S>(args_.weights.packed_k), m = maybe_again<S>(args_.out.m);
    constexpr int kPieceChunks = S::kTokens * 8, kChunks = S::kPieces * kPieceChunks;
    constexpr int kPiecePasses = kPieceChunks > S::kThreads ? kPieceChunks / S::kThreads : 1;
    const int my_row = thread() / 8 % S::kTokens;
    UNROLL
    for (int i = 0; i < (kChunks + S::kThreads - 1) / S::kThreads; ++i) {
      if (kChunks < S::kThreads && thread() >= kChunks) continue;
      const int row = i % kPiecePasses * S::kPassRows, piece = i / kPiecePasses;
      const bool there = token_ + my_row + row < m;
      const int64_t from = at_ + int64_t{row} * packed_k + piece * 64;
      const int at = (my_piece() + piece) * S::kPieceBytes + S::place(my_row, thread() % 8) + row * 128;
      copy_async_16(to + at, args_.a + from, there ? 16 : 0);
      if constexpr (S::kSplit)
        copy_async_16(to + (at + S::kPieces * S::kPieceBytes), args_.rest + from, there ? 16 : 0);
    }
    at_ += S::kColumns;
  }

 private:
  /// Of 64 columns, where one pass over the rows takes both.
  DEVICE_MEMBER static int my_piece() {
    return S::kPieces == 2 && S::kPassRows > S::kTokens ? thread() / (S::kTokens * 8) : 0;
  }

  const ManyTokensArgs& args_;
  int token_;
  int64_t at_;
};

/// Windows of a picture; a thread copies the same eight columns of some of them.
template <class S>
class ManyRows<S, true> {
 public:
  DEVICE_MEMBER ManyRows(const ManyTokensArgs& args, int token, int step) : in_(args.picture) {
    static_assert(S::kPieces == 1 && S::kTokens % S::kPassRows == 0);
    UNROLL
    for (int i = 0; i < kPasses; ++i) {
      const int place = token + thread() / 8 + i * S::kPassRows;
      const int picture = place / in_.out_places, within = place - picture * in_.out_places;
      const int row = within / in_.out_width, column = within - row * in_.out_width;
      h_[i] = place < args.out.m ? row * in_.stride_h - in_.pad_h : kNowhere;
      w_[i] = column * in_.stride_w - in_.pad_w;
      at_[i] = ((picture * in_.height + row * in_.stride_h - in_.pad_h) * in_.width + w_[i]) * in_.channels;
    }
    const int column = step * S::kColumns + thread() % 8 * 8, tap = column / in_.channels;
    channel_ = column - tap * in_.channels;
    tap_h_ = tap / in_.kernel_width;
    tap_w_ = tap - tap_h_ * in_.kernel_width;
  }

  DEVICE_MEMBER void copy(Shared<std::byte> to) {
    const int h = tap_h_ * in_.dilation_h, w = tap_w_ * in_.dilation_w;
    const int offset = (h * in_.width + w) * in_.channels + channel_;
    UNROLL
    for (int i = 0; i < kPasses; ++i) {
      const bool there = static_cast<uint32_t>(h_[i] + h) < static_cast<uint32_t>(in_.height) &&
                         static_cast<uint32_t>(w_[i] + w) < static_cast<uint32_t>(in_.width) &&
                         tap_h_ < in_.kernel_height;
      copy_async_16(to + (S::place(thread() / 8, thread() % 8) + i * S::kPassRows * 128),
                    in_.x + (there ? at_[i] + offset : 0), there ? 16 : 0);
    }
    channel_ += S::kColumns;
    while (channel_ >= in_.channels) {
      channel_ -= in_.channels;
      if (++tap_w_ < in_.kernel_width) continue;
      tap_w_ = 0;
      ++tap_h_;
    }
  }

 private:
  static constexpr int kPasses = S::kTokens / S::kPassRows;
  /// Above every picture.
  static constexpr int kNowhere = -(1 << 29);

  const PictureRows& in_;
  int h_[kPasses], w_[kPasses], at_[kPasses];
  int channel_, tap_h_, tap_w_;
};

/// What a block copies: steps of one tile of Y, one after another. A thread copies the same part of each. S
/// tells the sizes of a step and where its parts lie in a stage.
template <class S>
class ManyFetch {
 public:
  /// The first `token` and `tile` of the tile of Y.
  DEVICE_MEMBER ManyFetch(const ManyTokensArgs& args, int stage_bytes, int token, int tile, int step)
      : args_(args),
        stage_bytes_(stage_bytes),
        tile_(tile),
        rows_(args, token, step),
        groups_(step * S::kColumns, args.weights.group) {
    const WeightsView& w = args.weights;
    const int mine = thread() * 16;
    codes_ = w.codes + (tile + mine / S::kTileBytes) * tile_bytes() +
             (int64_t{step} * S::kTileBytes + mine % S::kTileBytes);
  }

  /// Weights with their scales.
  DEVICE_MEMBER void weights(int step, int stage) {
    const WeightsView& w = args_.weights;
    const Shared<std::byte> to = shared_memory<std::byte>(static_cast<size_t>(stage * stage_bytes_));
    const int tiles = maybe_again<S>(tiles_of(w.n));
    const int step_count = maybe_again<S>(w.packed_k / S::kColumns);
    const int64_t tile_bytes = int64_t{step_count} * S::kTileBytes;
    constexpr int kPass = S::kThreads * 16;
    constexpr int kPassTiles = kPass > S::kTileBytes ? kPass / S::kTileBytes : 1;
    constexpr int kTilePasses = S::kTileBytes > kPass ? S::kTileBytes / kPass : 1;
    UNROLL
    for (int i = 0; i < S::kWeightBytes / kPass; ++i) {
      const int tile = i / kTilePasses * kPassTiles;
      const bool there = tile_ + thread() * 16 / S::kTileBytes + tile < tiles;
      copy_async_16(to + (S::kWeightsAt + i * kPass + thread() * 16),
                    codes_ + (tile * tile_bytes + i % kTilePasses * kPass), there ? 16 : 0);
    }
    codes_ += S::kTileBytes;
    if constexpr (Unpack<S::kKind>::kScaled) {
      groups_.advance(step * S::kColumns, w.group);
      const int unit = scale_unit(w), bytes = args_.scale_groups * unit;
      numbers(w.scales, unit, to + S::kScalesAt);
      if (w.offset_kind == OffsetKind::zeros || w.offset_kind == OffsetKind::minima)
        numbers(w.offsets, offset_unit(w), to + (S::kScalesAt + S::kTiles * bytes));
    }
  }

  DEVICE_MEMBER void rows(int stage) {
    rows_.copy(shared_memory<std::byte>(static_cast<size_t>(stage * stage_bytes_ + S::kRowsAt)));
  }

 private:
  DEVICE_MEMBER int64_t tile_bytes() const {
    return int64_t{args_.weights.packed_k / S::kColumns} * S::kTileBytes;
  }
  /// The numbers of a step's groups, `unit` bytes of a group and tile: kThreads / kTiles threads a tile.
  DEVICE_MEMBER void numbers(const void* from, int unit, Shared<std::byte> to) const {
    const WeightsView& w = args_.weights;
    constexpr int kEach = S::kThreads / S::kTiles;
    const int tile = thread() / kEach, at = thread() % kEach * 16, bytes = args_.scale_groups * unit;
    if (at >= bytes) return;
    const int place = groups_.group * unit + at, row = w.groups * unit;
    const bool there = tile_ + tile < tiles_of(w.n) && place < row;
    copy_async_16(to + (tile * bytes + at),
                  static_cast<const std::byte*>(from) + (int64_t{tile_ + tile} * row + place),
                  there ? 16 : 0);
  }

  const ManyTokensArgs& args_;
  int stage_bytes_, tile_;
  const std::byte* codes_;
  ManyRows<S> rows_;
  GroupCursor groups_;
};

}  // namespace halftone::cuda
