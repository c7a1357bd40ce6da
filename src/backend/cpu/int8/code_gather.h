#pragma once

#include <cstdint>

#include "ops/window.h"

namespace halftone::cpu {

/// Pictures of codes [N, H, W, C] under a window of one or two axes, as rows for CodeTile: row n * OH * OW +
/// oy * OW + ox reads, under tap ky * KW + kx, the channels of one place, or of `padding` outside the
/// picture.
class CodeGather {
 public:
  CodeGather(const Window& window, const Shape& input, const Shape& output);

  /// Pointers to channel `offset` for rows [first, first + count): [taps, count].
  void rows(const uint8_t* pictures, const uint8_t* padding, int64_t offset, int64_t first, int64_t count,
            const uint8_t** to) const;
  /// Redirects pointers to the last place of the pictures, which cannot be read beyond its end.
  void redirect_last(const uint8_t* pictures, int64_t offset, const uint8_t* copy,
                     std::span<const uint8_t*> pointers) const;

  int64_t places() const { return batch_ * out_height_ * out_width_; }
  int64_t channels() const { return channels_; }
  int64_t taps() const { return vertical_.kernel * horizontal_.kernel; }

 private:
  /// Row r reads place r.
  bool is_pointwise() const;

  WindowAxis vertical_, horizontal_;
  int64_t batch_, channels_, height_ = 1, width_, out_height_ = 1, out_width_;
};

}  // namespace halftone::cpu
