#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// Pictures rounded to int8, each under a scale of its own (scheme/dynamic.h, the picture as one row). A
/// block takes `part` elements (block x) of a picture (block y).
struct PictureCodesArgs {
  const float* x;    ///< [pictures, elements]
  uint8_t* codes;    ///< plus 128
  float* scales;     ///< [pictures]
  int32_t* largest;  ///< [pictures, parts]: bits of the largest magnitude
  int64_t elements;
  int32_t part, parts;
};
constexpr int kPictureThreads = 256;
constexpr size_t kPictureShared = kWarp * sizeof(int);
/// First one, then the other.
DECLARE_DEVICE_KERNEL(picture_magnitudes, PictureCodesArgs);
DECLARE_DEVICE_KERNEL(picture_codes, PictureCodesArgs);

}  // namespace halftone::cuda
