#pragma once

// Addresses alone; for per-ISA sources only (simd.h).

#include "backend/cpu/paged_attention/attention_loops.h"

namespace halftone::cpu {
namespace {

/// What few queries read of a block, in this order: the keys of each head with the scales before them, their
/// values, and the keys of the next block.
class StoredStream {
 public:
  struct Piece {
    const std::byte* at;
    int64_t bytes;
  };
  StoredStream(const StoredHeads& heads, int64_t row_bytes)
      : heads_(heads), value_bytes_(heads.tokens * row_bytes), key_bytes_(value_bytes_ + heads.front_bytes) {}

  int64_t key_bytes() const { return key_bytes_; }      ///< of one head
  int64_t value_bytes() const { return value_bytes_; }  ///< of one head
  /// What lies together from `position` on, which counts the bytes read.
  [[gnu::noinline]] Piece from(int64_t position) const {
    const std::byte* keys = heads_.keys.rows - heads_.front_bytes;
    if (position < heads_.heads * key_bytes_) return within(position, keys, key_bytes_, heads_.keys.stride);
    position -= heads_.heads * key_bytes_;
    if (position < heads_.heads * value_bytes_)
      return within(position, heads_.values.rows, value_bytes_, heads_.values.stride);
    position -= heads_.heads * value_bytes_;
    return within(position, heads_.after, key_bytes_, heads_.keys.stride);
  }

 private:
  Piece within(int64_t position, const std::byte* first, int64_t bytes, int64_t stride) const {
    if (bytes == stride) return {first + position, heads_.heads * bytes - position};
    return {first + position / bytes * stride + position % bytes, bytes - position % bytes};
  }

  const StoredHeads& heads_;
  int64_t value_bytes_, key_bytes_;
};

}  // namespace
}  // namespace halftone::cpu
