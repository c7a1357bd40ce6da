#include "backend/cpu/int8/code_gather.h"

#include <algorithm>

#include "base/checked.h"

namespace halftone::cpu {

CodeGather::CodeGather(const Window& window, const Shape& input, const Shape& output)
    : horizontal_(window[window.rank - 1]),
      batch_(input[0]),
      channels_(input[1]),
      width_(input.back()),
      out_width_(output.back()) {
  if (window.rank < 2) return;
  vertical_ = window[0];
  height_ = input[2];
  out_height_ = output[2];
}

void CodeGather::rows(const uint8_t* pictures, const uint8_t* padding, int64_t offset, int64_t first,
                      int64_t count, const uint8_t** to) const {
  if (is_pointwise()) {
    const uint8_t* place = pictures + first * channels_ + offset;
    for (int64_t i = 0; i < count; ++i, place += channels_) to[i] = place;
    return;
  }
  const int64_t step = horizontal_.stride * channels_;
  // Along one line of outputs the pointers are padding, then places at equal steps, then padding.
  for (int64_t done = 0; done < count;) {
    const int64_t line = (first + done) / out_width_, begin = (first + done) % out_width_;
    const int64_t length = std::min(count - done, out_width_ - begin);
    const int64_t picture = line / out_height_,
                  top = line % out_height_ * vertical_.stride - vertical_.pad_begin;
    const uint8_t** out = to + done;
    for (int64_t ky = 0; ky < vertical_.kernel; ++ky) {
      const int64_t y = top + ky * vertical_.dilation;
      const bool inside = y >= 0 && y < height_;
      const uint8_t* from = pictures + ((picture * height_ + y) * width_) * channels_ + offset;
      for (int64_t kx = 0; kx < horizontal_.kernel; ++kx, out += count) {
        const int64_t left = kx * horizontal_.dilation - horizontal_.pad_begin;
        const int64_t stride = horizontal_.stride;
        // Outputs [low, high) of this line read inside.
        int64_t low = left < 0 ? ceil_div(-left, stride) : 0;
        int64_t high = left < width_ ? ceil_div(width_ - left, stride) : 0;
        low = inside ? std::clamp<int64_t>(low - begin, 0, length) : length;
        high = inside ? std::clamp<int64_t>(high - begin, low, length) : length;
        std::fill(out, out + low, padding);
        const uint8_t* place = from + left * channels_ + (begin + low) * step;
        for (int64_t i = low; i < high; ++i, place += step) out[i] = place;
        std::fill(out + high, out + length, padding);
      }
    }
    done += length;
  }
}

bool CodeGather::is_pointwise() const {
  return taps() == 1 && vertical_.stride == 1 && horizontal_.stride == 1 && out_height_ == height_ &&
         out_width_ == width_;
}

void CodeGather::redirect_last(const uint8_t* pictures, int64_t offset, const uint8_t* copy,
                               std::span<const uint8_t*> pointers) const {
  const uint8_t* last = pictures + (batch_ * height_ * width_ - 1) * channels_ + offset;
  std::replace(pointers.begin(), pointers.end(), last, copy);
}

}  // namespace halftone::cpu
