#pragma once

#include "backend/cpu/paged_attention/attention_loops.h"
#include "backend/cpu/simd.h"

namespace halftone::cpu {
namespace {

/// Fetches what is read next, as much of it at a time as is read.
struct Ahead {
  const std::byte* at;
  int64_t moves;  ///< 0 where nothing is read next

  Ahead(const NextRows& next, const void* nothing)
      : at(next.stored ? next.stored : static_cast<const std::byte*>(nothing)), moves(next.stored ? 1 : 0) {}
  /// `vectors` of Rows.
  template <class Rows>
  void fetch(int64_t vectors) {
    const int64_t bytes = vectors * Simd::kWidth * Rows::kBytes;
    for (int64_t line = 0; line < bytes; line += 64) __builtin_prefetch(at + line);
    at += bytes * moves;
  }
};

}  // namespace
}  // namespace halftone::cpu
