#pragma once

#include <cstdint>

#include "backend/cuda/launch.h"

namespace halftone::cuda {

/// Whether all of them may be read and written 16 bytes at a time, if their lengths fit.
template <class... T>
bool all_aligned_16(const T*... pointers) {
  return (... && (reinterpret_cast<uintptr_t>(pointers) % 16 == 0));
}

/// One thread for each of `items`, in blocks of 256.
inline Launch thread_each(int64_t items) {
  return {{static_cast<int>((items + 255) / 256)}, 256, 0};
}

/// Threads of the block that has a row of `items`, each of which a thread takes at once.
inline int row_threads(int64_t items) {
  return items <= 256 ? 128 : items <= 1024 ? 256 : 512;
}

}  // namespace halftone::cuda
