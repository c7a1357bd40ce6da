#pragma once

#include <algorithm>

#include "base/thread_pool.h"
#include "vision/image/image.h"

namespace halftone {

Image resize_pillow_bilinear(const Image& image, int width, int height, ThreadPool& threads);
Image resize_pillow_bicubic(const Image& image, int width, int height, ThreadPool& threads);
Image resize_opencv_bilinear(const Image& image, int width, int height, ThreadPool& threads);

/// Rows of a picture that are worth a thread's waking.
inline int64_t rows_per_piece(int64_t row_work) {
  constexpr int64_t kPieceWork = int64_t{1} << 15;  // multiply-adds
  return std::max<int64_t>(1, kPieceWork / std::max<int64_t>(1, row_work));
}

}  // namespace halftone
