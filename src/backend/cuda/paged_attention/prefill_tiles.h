#pragma once

#include "backend/cuda/paged_attention/attention_prefill_kernels.h"
#include "backend/cuda/paged_attention/stored_pairs.h"

namespace halftone::cuda {

/// Rows of a tile in shared memory lie close together, their pieces of 16 bytes in an order that differs
/// within any eight rows, so that eight rows' pieces of one number lie in different banks.
template <int kDim>
DEVICE int prefill_piece(int row, int piece) {
  return row * 2 * kDim + ((piece ^ (row & 7)) << 4);
}

/// The tiles of a block's keys and values on their way: item 2i is the keys of tile i, 2i + 1 its values.
/// begin() once; then, for each item in order, next() and the item is there for all: tile(item).
template <class T, int kDim>
struct PrefillTiles {
  static constexpr bool kScaled = sizeof(T) == 1;
  static constexpr int kTokens = prefill_tokens(kDim);
  static constexpr int kThreads = prefill_threads(kDim);
  static constexpr int kBuffers = kScaled || kDim > 256 ? 2 : 3;
  static constexpr int kGroups = kTokens / 16;                ///< tokens of one lie in one block
  static constexpr int kPieces = kDim * int{sizeof(T)} / 16;  ///< of a token
  static constexpr int kRows = kThreads / kPieces;            ///< tokens that the threads copy at once
  static constexpr int kCopies = kTokens / kRows;             ///< of a thread and tile
  static constexpr int kCodeBytes = kTokens * kDim;           ///< of a tile

  const AttentionView& view;
  int sequence, kv_head;
  int first, end;  ///< positions: of the first tile, behind the last token
  int ids = 0;     ///< lane l: block of group l of the tile that is asked for next
  float scale = 0;

  DEVICE_MEMBER Shared<std::byte> tile(int item) const {
    return shared_memory<std::byte>(prefill_tiles_at(kDim) +
                                    static_cast<size_t>(item % kBuffers) * prefill_tile_bytes(kDim));
  }
  /// Of the tile's keys; `of_values`: of its values.
  DEVICE_MEMBER static Shared<float> scales(bool of_values) {
    return shared_memory<float>(prefill_scales_at(kDim)) + (of_values ? kTokens : 0);
  }
  DEVICE_MEMBER int position(int item) const { return first + (item >> 1) * kTokens; }

  DEVICE_MEMBER void find(int item) {
    const int at = position(item) + 16 * (lane() % kGroups);
    ids = at < end ? static_cast<int>(block_of(view, sequence, at >> view.block_shift)) : 0;
  }

  template <bool kValues>
  DEVICE_MEMBER void copy(int item) const {
    constexpr int kOfGroup = kRows < 16 ? 16 / kRows : 1;  // copies of a thread
    const KvSide& side = kValues ? view.values : view.keys;
    const int token = thread() / kPieces, piece = thread() % kPieces;
    const bool inside = piece * (16 / int{sizeof(T)}) < (kValues ? view.value_dim : view.dim);
    const int begin = position(item);
    const std::byte* own = side.data + kv_head * side.head_bytes + token % 16 * side.token_bytes + piece * 16;
    UNROLL
    for (int first_copy = 0; first_copy < kCopies; first_copy += kOfGroup) {
      const int group = token / 16 + first_copy * kRows / 16;
      const int slot = (begin + 16 * group) & (view.block_tokens - 1);
      const std::byte* from = own + shuffle(ids, group) * side.block_bytes + slot * side.token_bytes;
      UNROLL
      for (int i = first_copy; i < first_copy + kOfGroup; ++i) {
        const int t = token + i * kRows;
        const int valid = inside && begin + t < end ? 16 : 0;
        if constexpr (kScaled)
          copy_async_16(code(item, i), from, valid);
        else
          copy_async_16(tile(item) + prefill_piece<kDim>(t, piece), from, valid);
        from += kRows * side.token_bytes;
      }
    }
  }
  /// Asks for an item; a group of copies, empty behind the last token.
  DEVICE_MEMBER void ask(int item) {
    if (position(item) < end) {
      if (item % 2) {
        copy<true>(item);
        find(item + 1);
      } else {
        copy<false>(item);
        ask_scale(item);
      }
    }
    commit_copies();
  }

  /// int8: a thread's i-th piece of an item's codes, which no other thread reads.
  DEVICE_MEMBER Shared<std::byte> code(int item, int i) const {
    return shared_memory<std::byte>(prefill_codes_at(kDim)) +
           (item % 2 * kCodeBytes + (i * kThreads + thread()) * 16);
  }
  /// Threads' scales of the tile: first of keys, then of values.
  DEVICE_MEMBER void ask_scale(int item) {
    if constexpr (kScaled) {
      const int t = thread() % kTokens, at = position(item) + t;
      const int64_t block = shuffle(ids, t / 16);
      const KvSide& side = thread() < kTokens ? view.keys : view.values;
      scale = thread() < 2 * kTokens && at < end
                  ? *side.scale_at(block, kv_head, at & (view.block_tokens - 1))
                  : 0.0f;
    }
  }
  /// int8: makes an item's codes numbers of 16 bits. Both pieces that a piece of codes becomes are written
  /// at once by two lanes of four each, in different banks.
  DEVICE_MEMBER void convert(int item) {
    if (position(item) >= end) return;
    const int token = thread() / kPieces, piece = thread() % kPieces;
    const int late = piece / 4 % 2;
    UNROLL
    for (int i = 0; i < kCopies; ++i) {
      const Words4 codes = load_as<Words4>(code(item, i));
      const int t = token + i * kRows;
      UNROLL
      for (int half = 0; half < 2; ++half) {
        const bool high = half != late;
        const uint32_t low_word = high ? codes.z : codes.x, high_word = high ? codes.w : codes.y;
        store_as<Words4>(tile(item) + prefill_piece<kDim>(t, 2 * piece + high),
                         Words4{f16_of_codes(low_word, false), f16_of_codes(low_word, true),
                                f16_of_codes(high_word, false), f16_of_codes(high_word, true)});
      }
    }
    if (item % 2 == 0 && thread() < 2 * kTokens) scales(false)[thread()] = scale;
  }

  DEVICE_MEMBER void begin() {
    find(0);
    ask(0);
    ask(1);
    if constexpr (kScaled) {
      wait_copies<1>();
      convert(0);
      ask(2);
    }
  }
  /// All threads are done with the item before.
  DEVICE_MEMBER void next(int item) {
    if constexpr (kScaled) {
      sync_block();
      wait_copies<1>();
      convert(item + 1);
      ask(item + 3);
    } else {
      wait_copies<1>();
      sync_block();
      ask(item + 2);
    }
  }
};

}  // namespace halftone::cuda
