#pragma once

#include "backend/cpu/paged_attention/stored_stream.h"

namespace halftone::cpu {
namespace {

/// Fetches what is read next, in the order of a stream and beside products: a processor that waits for memory
/// computes nothing.
/// kCache: 1 into the first cache, 2 into the second.
template <int kCache>
class ReadAhead {
 public:
  ReadAhead(const StoredStream& stream, int64_t position) : stream_(&stream), end_(position) {
    take_piece(0);
  }

  [[gnu::always_inline]] void fetch(int64_t bytes) {
    for (int64_t line = 0; line < bytes; line += 64) __builtin_prefetch(at_ + line, 0, 4 - kCache);
    at_ += bytes;
    left_ -= bytes;
    if (left_ <= 0) [[unlikely]]
      take_piece(-left_);
  }
  /// So many bytes less will be fetched.
  void skip_back(int64_t bytes) {
    at_ -= bytes;
    left_ += bytes;
  }

 private:
  void take_piece(int64_t beyond) {
    const StoredStream::Piece piece = stream_->from(end_);
    at_ = piece.at + beyond;
    left_ = piece.bytes - beyond;
    end_ += piece.bytes;
  }

  const StoredStream* stream_;
  const std::byte* at_;
  int64_t left_, end_;  ///< end_: position behind the piece
};

}  // namespace
}  // namespace halftone::cpu
